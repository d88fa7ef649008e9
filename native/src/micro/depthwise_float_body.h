// DEPTHWISE_CONV_2D of float32 for any instruction set, whose lanes are included before.
//
// Every sum runs over the taps in their order, starting with the bias, however outputs are put together in tiles: tiles
// only decide how often a value is loaded.
#pragma once

#include "micro/depthwise_float_square_body.h"

namespace subgraft {
namespace {

inline int square_filter(const RealLayer& layer) {
  const bool is_square =
      layer.filter_height == layer.filter_width && layer.multiplier == 1 && layer.out_width / layer.dilation_x >= kTile;
  const bool is_plain = layer.dilation_x == 1 && layer.dilation_y == 1;
  const bool is_strided = is_plain && layer.stride_x == layer.stride_y && layer.stride_x <= 2;
  const bool is_dilated = layer.stride_x == 1 && layer.stride_y == 1 && layer.before_x % layer.dilation_x == 0 &&
                          layer.before_y % layer.dilation_y == 0;
  return is_square && (is_strided || is_dilated) && (layer.filter_width == 3 || layer.filter_width == 5)
             ? layer.filter_width
             : 0;
}

// As many sums as the registers hold.
template <int filter, int stride>
constexpr int rows_together() {
  return kManyRegisters && filter == 3 && stride == 1 ? 4 : 2;
}

int rows_together(const RealLayer& layer) {
  if (square_filter(layer) == 5) return layer.stride_x == 1 ? rows_together<5, 1>() : rows_together<5, 2>();
  return layer.stride_x == 1 ? rows_together<3, 1>() : rows_together<3, 2>();
}

// In views for squares, else rows of outputs.
int64_t tasks_of(const RealLayer& layer) {
  if (square_filter(layer) == 0) return int64_t{layer.batches} * layer.out_height;
  const int64_t rows = rows_together(layer), height = (layer.out_height + layer.dilation_y - 1) / layer.dilation_y;
  return layer.batches * layer.dilation_y * ((height + rows - 1) / rows);
}

// Rows of outputs of a view from y on, as many as are summed together.
template <int filter, int stride>
void square_rows(const FloatDepthwiseCall& call, const View& view, int64_t y) {
  constexpr int rows = rows_together<filter, stride>();
  const int64_t left = view.out_height - y;
  if (left >= rows) return square_rows<filter, stride, rows>(call, view, y);
  if (left >= 2) square_rows<filter, stride, 2>(call, view, y);
  if (left % 2 == 1) square_rows<filter, stride, 1>(call, view, y + left - 1);
}

using SquareRows = void (*)(const FloatDepthwiseCall&, const View&, int64_t);

SquareRows choose_square(const RealLayer& layer) {
  if (square_filter(layer) == 3) return layer.stride_x == 1 ? square_rows<3, 1> : square_rows<3, 2>;
  return layer.stride_x == 1 ? square_rows<5, 1> : square_rows<5, 2>;
}

void run_squares(const FloatDepthwiseCall& call, int64_t begin, int64_t end) {
  const RealLayer& layer = *call.layer;
  const int rows = rows_together(layer);
  const int64_t tasks = tasks_of(layer) / layer.batches;
  const SquareRows compute = choose_square(layer);
  for (int64_t task = begin; task < end; ++task) {
    const int64_t batch = layer.batches == 1 ? 0 : task / tasks, left = task - batch * tasks;
    const int64_t number = divided_by(left, layer.dilation_y), y = number * rows;
    const int64_t first_y = left - number * layer.dilation_y;
    for (int64_t first_x = 0; first_x < layer.dilation_x; ++first_x) {
      const View view = view_of(call, batch, first_y, first_x);
      if (y < view.out_height) compute(call, view, y);
    }
  }
}

void run_float(const FloatDepthwiseCall& call, int64_t begin, int64_t end) {
  const RealLayer& layer = *call.layer;
  if (square_filter(layer) > 0) return run_squares(call, begin, end);
  const Taps inside =
      interior(layer.in_width, layer.out_width, layer.filter_width, layer.stride_x, layer.dilation_x, layer.before_x);
  for (int64_t task = begin; task < end; ++task) {
    const int64_t batch = task / layer.out_height, y = task - batch * layer.out_height;
    const float* image = call.in + batch * layer.in_height * layer.in_width * layer.channels_in;
    float* out = call.out + task * layer.out_width * layer.channels;
    if (layer.multiplier == 1)
      any_row<false>(call, image, y, inside, out);
    else
      any_row<true>(call, image, y, inside, out);
  }
}

constexpr FloatDepthwiseKernel kFloatDepthwise = {tasks_of, run_float};

}  // namespace
}  // namespace subgraft
