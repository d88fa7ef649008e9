// DEPTHWISE_CONV_2D of float32 with any filter.
//
// Every sum runs over the taps in their order, starting with the bias, however outputs are put together in tiles: tiles
// only decide how often a value is loaded.
#pragma once

#include "micro/depthwise_float.h"

namespace subgraft {
namespace {

using RealLayer = FloatDepthwise;

// Divisions take longer than the sums of a small filter; most are by 1.
inline int64_t divided_by(int64_t x, int64_t by) { return by == 1 ? x : x / by; }

struct Taps {
  int64_t begin, end;
};

// The filter elements that meet an axis of `size` at `origin`.
inline Taps taps_inside(int64_t origin, int64_t size, int64_t filter, int64_t dilation) {
  const int64_t begin = origin >= 0 ? 0 : divided_by(-origin + dilation - 1, dilation);
  const int64_t most = origin >= size ? 0 : divided_by(size - 1 - origin, dilation) + 1;
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

// Outputs of a row whose taps are all inside the image.
inline Taps interior(int64_t in_width, int64_t out_width, int64_t filter, int64_t stride, int64_t dilation,
                     int64_t before) {
  const int64_t first = divided_by(before + stride - 1, stride), last = in_width - 1 - (filter - 1) * dilation + before;
  int64_t end = last >= 0 ? divided_by(last, stride) + 1 : 0;
  if (end > out_width) end = out_width;
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
  if (inside.end - x >= kTile) {
    for (; x < inside.end; x += kTile) {
      if (x + kTile > inside.end) x = inside.end - kTile;
      sum_any<kTile, whole, shared>(call, image, y, x, rows, {0, layer.filter_width}, channels, sharing,
                                    out + x * layer.channels);
    }
    x = inside.end;
  }
  sum_singly<whole, shared>(call, image, y, {x, layer.out_width}, channels, sharing, out);
}

template <bool shared>
void any_row(const FloatDepthwiseCall& call, const float* image, int64_t y, Taps inside, float* out) {
  const RealLayer& layer = *call.layer;
  int64_t c = 0;
  for (; c + kLanes <= layer.channels; c += kLanes)
    any_channels<true, shared>(call, image, y, inside, {c, kLanes}, out + c);
  if (c < layer.channels) any_channels<false, shared>(call, image, y, inside, {c, layer.channels - c}, out + c);
}

}  // namespace
}  // namespace subgraft
