// DEPTHWISE_CONV_2D of float32 for any instruction set, whose lanes are included before.
//
// Every sum runs over the taps in their order, starting with the bias, however outputs are put together in tiles: tiles
// only decide how often a value is loaded.
#pragma once

#include "micro/depthwise_float.h"

namespace subgraft {
namespace {

using RealLayer = FloatDepthwise;

struct Taps {
  int64_t begin, end;
};

// The filter elements that meet an axis of `size` at `origin`.
inline Taps taps_inside(int64_t origin, int64_t size, int64_t filter, int64_t dilation) {
  const int64_t begin = origin >= 0 ? 0 : (-origin + dilation - 1) / dilation;
  const int64_t most = origin >= size ? 0 : (size - 1 - origin) / dilation + 1;
  const int64_t end = most < filter ? most : filter;
  return {begin < end ? begin : end, end};
}

// `channels` from `first` on, up to one vector of them.
struct Channels {
  int64_t first, count;
};

// Vectors of the channels' inputs, weights and outputs: whole, or a last part.
template <bool whole>
inline Floats load_channels(const float* p, int64_t count) {
  if constexpr (whole) return load(p);
  return load_part(p, count, broadcast(0.f));
}
template <bool whole>
inline void store_channels(float* p, Floats x, int64_t count) {
  if constexpr (whole)
    store(p, x);
  else
    store_part(p, x, count);
}

// Where output channels find their inputs when several share one.
struct Sharing {
  Ints index;
  int64_t count;  // inputs of one vector
};

inline Sharing share_inputs(int64_t first, int64_t count, int64_t multiplier) {
  int32_t index[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) index[i] = static_cast<int32_t>((first + i) / multiplier - first / multiplier);
  return {load(index), index[count - 1] + int64_t{1}};
}

inline Floats load_shared(const float* p, const Sharing& sharing) {
  return pick_lanes(sharing.count < kLanes ? load_part(p, sharing.count, broadcast(0.f)) : load(p), sharing.index);
}

struct Clamp {
  Floats low, high;
  Floats operator()(Floats x) const { return min(high, max(low, x)); }  // NaN stays
};

// Any filter: `count` neighbouring outputs of one row from output x on, all of whose taps `columns` are inside.
template <int count, bool whole, bool shared>
void sum_any(const FloatDepthwiseCall& call, const float* image, int64_t y, int64_t x, Taps rows, Taps columns,
             Channels channels, const Sharing& sharing, float* out) {
  const RealLayer& layer = *call.layer;
  const int64_t from_channel = shared ? channels.first / layer.multiplier : channels.first;
  const int64_t step = layer.stride_x * layer.channels_in;
  Floats sums[count];
  const Floats start = call.bias ? load_channels<whole>(call.bias + channels.first, channels.count) : broadcast(0.f);
  for (int t = 0; t < count; ++t) sums[t] = start;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t in_y = y * layer.stride_y - layer.before_y + r * layer.dilation_y;
    const int64_t in_x = x * layer.stride_x - layer.before_x + columns.begin * layer.dilation_x;
    const float* from = image + (in_y * layer.in_width + in_x) * layer.channels_in + from_channel;
    const float* w = call.weights + (r * layer.filter_width + columns.begin) * layer.channels + channels.first;
    for (int64_t c = columns.begin; c < columns.end; ++c) {
      const Floats tap = load_channels<whole>(w, channels.count);
      for (int t = 0; t < count; ++t) {
        const float* at = from + t * step;
        const Floats value = shared ? load_shared(at, sharing) : load_channels<whole>(at, channels.count);
        sums[t] = multiply_add(value, tap, sums[t]);
      }
      from += layer.dilation_x * layer.channels_in;
      w += layer.channels;
    }
  }
  const Clamp clamp{broadcast(layer.min), broadcast(layer.max)};
  for (int t = 0; t < count; ++t) store_channels<whole>(out + t * layer.channels, clamp(sums[t]), channels.count);
}

// Outputs of a row whose taps are all inside the image horizontally.
inline Taps interior(const RealLayer& layer) {
  const int64_t extent = (layer.filter_width - 1) * layer.dilation_x;
  const int64_t first = (layer.before_x + layer.stride_x - 1) / layer.stride_x;
  const int64_t last = layer.in_width - 1 - extent + layer.before_x;
  int64_t end = last >= 0 ? last / layer.stride_x + 1 : 0;
  if (end > layer.out_width) end = layer.out_width;
  return first < end ? Taps{first, end} : Taps{0, 0};
}

// Outputs begin to end of a row, one at a time. out: column 0 of the row, first of the channels.
template <bool whole, bool shared>
void sum_singly(const FloatDepthwiseCall& call, const float* image, int64_t y, Taps outputs, Channels channels,
                const Sharing& sharing, float* out) {
  const RealLayer& layer = *call.layer;
  const Taps rows =
      taps_inside(y * layer.stride_y - layer.before_y, layer.in_height, layer.filter_height, layer.dilation_y);
  for (int64_t x = outputs.begin; x < outputs.end; ++x) {
    const Taps columns =
        taps_inside(x * layer.stride_x - layer.before_x, layer.in_width, layer.filter_width, layer.dilation_x);
    sum_any<1, whole, shared>(call, image, y, x, rows, columns, channels, sharing, out + x * layer.channels);
  }
}

constexpr int kTile = 4;  // outputs of a row that are summed together

template <bool whole, bool shared>
void any_channels(const FloatDepthwiseCall& call, const float* image, int64_t y, Taps inside, Channels channels,
                  float* out) {
  const RealLayer& layer = *call.layer;
  Sharing sharing{};
  if constexpr (shared) sharing = share_inputs(channels.first, channels.count, layer.multiplier);
  const Taps rows =
      taps_inside(y * layer.stride_y - layer.before_y, layer.in_height, layer.filter_height, layer.dilation_y);
  sum_singly<whole, shared>(call, image, y, {0, inside.begin}, channels, sharing, out);
  int64_t x = inside.begin;
  for (; x + kTile <= inside.end; x += kTile)
    sum_any<kTile, whole, shared>(call, image, y, x, rows, {0, layer.filter_width}, channels, sharing,
                                  out + x * layer.channels);
  sum_singly<whole, shared>(call, image, y, {x, layer.out_width}, channels, sharing, out);
}

// A filter and stride that are known when this is compiled: a tile of `rows` x kTile outputs loads each value once.
template <int filter, int stride, int rows>
struct Square {
  static constexpr int kInRows = (rows - 1) * stride + filter;
  static constexpr int kInColumns = (kTile - 1) * stride + filter;
  static_assert(kInColumns <= kDepthwiseZeroColumns);

  const float* row[kInRows];
  int64_t advance[kInRows];  // for one column of outputs; 0 for rows of zeros

  template <bool whole>
  void channels(const FloatDepthwiseCall& call, const float* image, int64_t y, Taps inside, Channels channels,
                float* out) const {
    const RealLayer& layer = *call.layer;
    const int64_t pitch = layer.channels;
    Floats w[filter * filter];
    for (int i = 0; i < filter * filter; ++i)
      w[i] = load_channels<whole>(call.weights + i * pitch + channels.first, channels.count);
    const Floats start = call.bias ? load_channels<whole>(call.bias + channels.first, channels.count) : broadcast(0.f);
    const Clamp clamp{broadcast(layer.min), broadcast(layer.max)};
    const float* from[kInRows];
    for (int r = 0; r < kInRows; ++r) from[r] = row[r] + channels.first + inside.begin * advance[r];
    int64_t x = inside.begin;
    for (; x + kTile <= inside.end; x += kTile) {
      Floats sums[rows][kTile];
      for (int r = 0; r < rows; ++r)
        for (int t = 0; t < kTile; ++t) sums[r][t] = start;
#pragma GCC unroll 16
      for (int r = 0; r < kInRows; ++r) {
#pragma GCC unroll 16
        for (int c = 0; c < kInColumns; ++c) {
          const Floats value = load_channels<whole>(from[r] + c * pitch, channels.count);
#pragma GCC unroll 16
          for (int to = 0; to < rows; ++to) {
#pragma GCC unroll 16
            for (int t = 0; t < kTile; ++t) {
              const int tap_row = r - to * stride, tap = c - t * stride;
              if (tap_row < 0 || tap_row >= filter || tap < 0 || tap >= filter) continue;
              sums[to][t] = multiply_add(value, w[tap_row * filter + tap], sums[to][t]);
            }
          }
        }
      }
      for (int r = 0; r < rows; ++r)
        for (int t = 0; t < kTile; ++t)
          store_channels<whole>(out + (r * layer.out_width + x + t) * pitch, clamp(sums[r][t]), channels.count);
      for (int r = 0; r < kInRows; ++r) from[r] += kTile * advance[r];
    }
    for (int r = 0; r < rows; ++r) {
      sum_singly<whole, false>(call, image, y + r, {0, inside.begin}, channels, Sharing{},
                               out + r * layer.out_width * pitch);
      sum_singly<whole, false>(call, image, y + r, {x, layer.out_width}, channels, Sharing{},
                               out + r * layer.out_width * pitch);
    }
  }
};

// out: the first of the rows.
template <int filter, int stride, int rows>
void square_rows(const FloatDepthwiseCall& call, const float* image, int64_t y, Taps inside, float* out) {
  const RealLayer& layer = *call.layer;
  using Tile = Square<filter, stride, rows>;
  Tile tile;
  const int64_t first_y = y * stride - layer.before_y, first_x = -layer.before_x;
  for (int r = 0; r < Tile::kInRows; ++r) {
    const bool is_inside = first_y + r >= 0 && first_y + r < layer.in_height;
    tile.row[r] = is_inside ? image + ((first_y + r) * layer.in_width + first_x) * layer.channels : call.zeros;
    tile.advance[r] = is_inside ? stride * layer.channels : 0;
  }
  int64_t c = 0;
  for (; c + kLanes <= layer.channels; c += kLanes)
    tile.template channels<true>(call, image, y, inside, {c, kLanes}, out + c);
  if (c < layer.channels) tile.template channels<false>(call, image, y, inside, {c, layer.channels - c}, out + c);
}

template <bool shared>
void any_row(const FloatDepthwiseCall& call, const float* image, int64_t y, Taps inside, float* out) {
  const RealLayer& layer = *call.layer;
  int64_t c = 0;
  for (; c + kLanes <= layer.channels; c += kLanes)
    any_channels<true, shared>(call, image, y, inside, {c, kLanes}, out + c);
  if (c < layer.channels) any_channels<false, shared>(call, image, y, inside, {c, layer.channels - c}, out + c);
}

inline int square_filter(const RealLayer& layer) {
  const bool is_square = layer.filter_height == layer.filter_width && layer.stride_x == layer.stride_y &&
                         layer.dilation_x == 1 && layer.dilation_y == 1 && layer.multiplier == 1 && layer.stride_x <= 2;
  return is_square && (layer.filter_width == 3 || layer.filter_width == 5) ? layer.filter_width : 0;
}

int rows_together(const RealLayer& layer) { return square_filter(layer) == 3 && layer.stride_x == 1 ? 2 : 1; }

void run_float(const FloatDepthwiseCall& call, int64_t begin, int64_t end) {
  const RealLayer& layer = *call.layer;
  const int rows = rows_together(layer), filter = square_filter(layer);
  const int64_t groups = (layer.out_height + rows - 1) / rows;
  const Taps inside = interior(layer);
  for (int64_t group = begin; group < end; ++group) {
    const int64_t batch = group / groups, y = (group - batch * groups) * rows;
    const float* image = call.in + batch * layer.in_height * layer.in_width * layer.channels_in;
    float* out = call.out + (batch * layer.out_height + y) * layer.out_width * layer.channels;
    if (filter == 3 && layer.stride_x == 1) {
      if (y + 1 < layer.out_height)
        square_rows<3, 1, 2>(call, image, y, inside, out);
      else
        square_rows<3, 1, 1>(call, image, y, inside, out);
    } else if (filter == 3) {
      square_rows<3, 2, 1>(call, image, y, inside, out);
    } else if (filter == 5) {
      layer.stride_x == 1 ? square_rows<5, 1, 1>(call, image, y, inside, out)
                          : square_rows<5, 2, 1>(call, image, y, inside, out);
    } else if (layer.multiplier == 1) {
      any_row<false>(call, image, y, inside, out);
    } else {
      any_row<true>(call, image, y, inside, out);
    }
  }
}

constexpr FloatDepthwiseKernel kFloatDepthwise = {rows_together, run_float};

}  // namespace
}  // namespace subgraft
