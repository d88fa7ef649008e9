// DEPTHWISE_CONV_2D of float32 for any instruction set, whose lanes are included before.
//
// Every sum runs over the taps in their order, starting with the bias, however outputs are put together in tiles: tiles
// only decide how often a value is loaded.
#pragma once

#include "micro/depthwise_float_copied_body.h"

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

int rows_together(const RealLayer& layer) { return square_filter(layer) > 0 ? 2 : 1; }

// Whether the largest view of a square layer, with what surrounds it, has room in a copy. Where few values are read
// more than once, or memory is slow to give one vector of every pixel, copying does not pay.
bool is_copied(const RealLayer& layer) {
  if ((layer.filter_width == 3 && layer.stride_x > 1) || is_large(layer)) return false;
  const int64_t dy = layer.dilation_y, dx = layer.dilation_x, stride = layer.stride_x, filter = layer.filter_width;
  const int64_t height = (divided_by(layer.out_height + dy - 1, dy) - 1) * stride + filter;
  const int64_t width = (divided_by(layer.out_width + dx - 1, dx) - 1) * stride + filter;
  return height * width * kLanes * 4 <= kCopyBytes;
}

int64_t vectors_of(const RealLayer& layer) { return (layer.channels + kLanes - 1) / kLanes; }

// In views for squares, or vectors of channels where they are copied, else rows of outputs.
int64_t tasks_of(const RealLayer& layer) {
  if (square_filter(layer) == 0) return int64_t{layer.batches} * layer.out_height;
  if (is_copied(layer)) return layer.batches * vectors_of(layer);
  const int64_t rows = rows_together(layer), height = (layer.out_height + layer.dilation_y - 1) / layer.dilation_y;
  return layer.batches * layer.dilation_y * ((height + rows - 1) / rows);
}

using SquareRows = void (*)(const FloatDepthwiseCall&, const View&, int64_t);

template <int filter, int stride>
SquareRows choose_square(int rows) {
  return rows == 2 ? square_rows<filter, stride, 2> : square_rows<filter, stride, 1>;
}

SquareRows choose_square(const RealLayer& layer, int rows) {
  if (square_filter(layer) == 3) return layer.stride_x == 1 ? choose_square<3, 1>(rows) : choose_square<3, 2>(rows);
  return layer.stride_x == 1 ? choose_square<5, 1>(rows) : choose_square<5, 2>(rows);
}

void run_squares(const FloatDepthwiseCall& call, int64_t begin, int64_t end) {
  const RealLayer& layer = *call.layer;
  const int rows = rows_together(layer);
  const int64_t tasks = tasks_of(layer) / layer.batches;
  const SquareRows all = choose_square(layer, rows), last = choose_square(layer, 1);
  for (int64_t task = begin; task < end; ++task) {
    const int64_t batch = layer.batches == 1 ? 0 : task / tasks, left = task - batch * tasks;
    const int64_t number = divided_by(left, layer.dilation_y), y = number * rows;
    const int64_t first_y = left - number * layer.dilation_y;
    for (int64_t first_x = 0; first_x < layer.dilation_x; ++first_x) {
      const View view = view_of(call, batch, first_y, first_x);
      if (y < view.out_height) (y + rows <= view.out_height ? all : last)(call, view, y);
    }
  }
}

using CopiedChannels = void (*)(const FloatDepthwiseCall&, int64_t, Channels);

CopiedChannels choose_copied(const RealLayer& layer) {
  if (square_filter(layer) == 3) return layer.stride_x == 1 ? copied_channels<3, 1> : copied_channels<3, 2>;
  return layer.stride_x == 1 ? copied_channels<5, 1> : copied_channels<5, 2>;
}

void run_copied(const FloatDepthwiseCall& call, int64_t begin, int64_t end) {
  const RealLayer& layer = *call.layer;
  const int64_t vectors = vectors_of(layer);
  const CopiedChannels compute = choose_copied(layer);
  for (int64_t task = begin; task < end; ++task) {
    const int64_t batch = layer.batches == 1 ? 0 : task / vectors, first = (task - batch * vectors) * kLanes;
    compute(call, batch, {first, first + kLanes <= layer.channels ? kLanes : layer.channels - first});
  }
}

void run_float(const FloatDepthwiseCall& call, int64_t begin, int64_t end) {
  const RealLayer& layer = *call.layer;
  if (square_filter(layer) > 0) return (is_copied(layer) ? run_copied : run_squares)(call, begin, end);
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
