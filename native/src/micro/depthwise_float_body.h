// DEPTHWISE_CONV_2D of float32 for any instruction set, whose lanes are included before.
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

// The pixels of an image that one dilated filter sees from one place: every dilation_x-th column of every dilation_y-th
// row. In it the filter is not dilated. Without dilation, the image itself.
struct View {
  const float* in;
  float* out;
  int64_t in_height, in_width, out_height, out_width, before_y, before_x;
  int64_t pitch, in_row, out_row;  // from one pixel to the next
};

// Views only where the padding is a number of their pixels: the image itself, or strides of 1.
inline View view_of(const FloatDepthwiseCall& call, int64_t batch, int64_t y, int64_t x) {
  const RealLayer& layer = *call.layer;
  const int64_t channels = layer.channels, dy = layer.dilation_y, dx = layer.dilation_x;
  View view;
  view.in = call.in + ((batch * layer.in_height + y) * layer.in_width + x) * channels;
  view.out = call.out + ((batch * layer.out_height + y) * layer.out_width + x) * channels;
  view.in_height = divided_by(layer.in_height - y + dy - 1, dy);
  view.in_width = divided_by(layer.in_width - x + dx - 1, dx);
  view.out_height = divided_by(layer.out_height - y + dy - 1, dy);
  view.out_width = divided_by(layer.out_width - x + dx - 1, dx);
  view.before_y = divided_by(layer.before_y, dy);
  view.before_x = divided_by(layer.before_x, dx);
  view.pitch = channels * dx;
  view.in_row = layer.in_width * channels * dy;
  view.out_row = layer.out_width * channels * dy;
  return view;
}

// Whether memory decides the speed: pixels are farther apart than prefetching follows, or images are larger than the
// second cache.
inline bool reads_in_order(const RealLayer& layer, const View& view) {
  constexpr int64_t kFarApart = 2048, kLargeImage = 1 << 20;
  const int64_t image = 4 * int64_t{layer.in_height} * layer.in_width * layer.channels;
  return view.pitch * 4 > kFarApart || image > kLargeImage;
}

// A filter and stride that are known when this is compiled: a tile of `rows` x kTile outputs loads each value once.
template <int filter, int stride, int rows>
struct Square {
  static constexpr int kInRows = (rows - 1) * stride + filter;
  static constexpr int kInColumns = (kTile - 1) * stride + filter;
  static_assert(kInColumns <= kDepthwiseZeroColumns);

  const float* row[kInRows];  // where column 0 of the image would be; zeros for rows outside
  int64_t step[kInRows];      // from one column to the next; 0 for zeros
  bool has_zeros;
  int64_t first_x;  // the column of the image that output 0 begins with

  // from: one value for each row, its columns `pitch` apart.
  template <bool whole>
  [[gnu::always_inline]] static void sum_tile(const float* const* from, int64_t pitch, const Floats* w, Floats start,
                                              Channels channels, Floats (*sums)[kTile]) {
    for (int r = 0; r < rows; ++r)
      for (int t = 0; t < kTile; ++t) sums[r][t] = start;
#pragma GCC unroll 128
    for (int i = 0; i < kInRows * kInColumns; ++i) {
      const int row = i / kInColumns, column = i % kInColumns;
      const float* at = from[row] + column * pitch;
      const Floats value = load_channels<whole>(at, channels.count);
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 16
        for (int t = 0; t < kTile; ++t) {
          const int tap_row = row - r * stride, tap = column - t * stride;
          if (tap_row < 0 || tap_row >= filter || tap < 0 || tap >= filter) continue;
          sums[r][t] = multiply_add(value, w[tap_row * filter + tap], sums[r][t]);
        }
      }
    }
  }

  // The values that a tile at output x needs, with zeros beside the image.
  template <bool whole>
  void copy_patch(const View& view, int64_t x, Channels channels, float* patch) const {
    const int64_t column = first_x + x * stride, left = view.in_width - column;
    const int begin = static_cast<int>(column < 0 ? -column : 0);
    const int end = static_cast<int>(left < kInColumns ? left : kInColumns);
    for (int r = 0; r < kInRows; ++r) {
      const float* at = row[r] + channels.first + column * step[r];
      float* to = patch + r * kInColumns * kLanes;
      for (int c = 0; c < begin; ++c) store(to + c * kLanes, broadcast(0.f));
      for (int c = begin; c < end; ++c) store(to + c * kLanes, load_channels<whole>(at + c * step[r], channels.count));
      for (int c = end > begin ? end : begin; c < kInColumns; ++c) store(to + c * kLanes, broadcast(0.f));
    }
  }

  // The constants of a vector of channels.
  struct Parameters {
    Floats w[filter * filter];
    Floats start;

    template <bool whole>
    [[gnu::always_inline]] void read(const FloatDepthwiseCall& call, Channels channels) {
      const float* from = call.weights + channels.first;
      for (int i = 0; i < filter * filter; ++i)
        w[i] = load_channels<whole>(from + i * int64_t{call.layer->channels}, channels.count);
      start = call.bias ? load_channels<whole>(call.bias + channels.first, channels.count) : broadcast(0.f);
    }
  };

  // kTile neighbours of one row. from: channel 0 of the values of each row; null where a patch is needed.
  struct Place {
    const float* from[kInRows];
    bool is_inside;
    int64_t x;
    float* to;
  };

  [[gnu::always_inline]] Place place_at(const View& view, Taps inside, bool needs_patches, int64_t next,
                                        float* out) const {
    Place place;
    place.x = next + kTile <= view.out_width ? next : view.out_width - kTile;
    place.is_inside = place.x >= inside.begin && place.x + kTile <= inside.end && !needs_patches;
    for (int r = 0; r < kInRows; ++r) place.from[r] = row[r] + (first_x + place.x * stride) * step[r];
    place.to = out + place.x * view.pitch;
    return place;
  }

  template <bool whole>
  [[gnu::always_inline]] void sum_at(const View& view, const Place& place, const Parameters& parameters,
                                     const Clamp& clamp, Channels channels) const {
    Floats sums[rows][kTile];
    const float* from[kInRows];
    alignas(64) float patch[kInRows * kInColumns * kLanes];
    for (int r = 0; r < kInRows; ++r) from[r] = place.from[r] + channels.first;
    int64_t pitch = view.pitch;
    if (!place.is_inside) {
      copy_patch<whole>(view, place.x, channels, patch);
      for (int r = 0; r < kInRows; ++r) from[r] = patch + r * kInColumns * kLanes;
      pitch = kLanes;
    }
    sum_tile<whole>(from, pitch, parameters.w, parameters.start, channels, sums);
    for (int r = 0; r < rows; ++r)
      for (int t = 0; t < kTile; ++t)
        store_channels<whole>(place.to + channels.first + r * view.out_row + t * view.pitch, clamp(sums[r][t]),
                              channels.count);
  }

  // Rows of at least kTile outputs, one vector of channels after the other: their parameters stay in registers.
  template <bool whole>
  void sum_channels(const FloatDepthwiseCall& call, const View& view, Taps inside, bool needs_patches,
                    Channels channels, float* out) const {
    Parameters parameters;
    parameters.template read<whole>(call, channels);
    const Clamp clamp{broadcast(call.layer->min), broadcast(call.layer->max)};
    for (int64_t next = 0; next < view.out_width; next += kTile)
      sum_at<whole>(view, place_at(view, inside, needs_patches, next, out), parameters, clamp, channels);
  }

  // All channels of one place after the other: memory is read in its order.
  void sum_places(const FloatDepthwiseCall& call, const View& view, Taps inside, bool needs_patches, float* out) const {
    const int64_t channels = call.layer->channels;
    const Clamp clamp{broadcast(call.layer->min), broadcast(call.layer->max)};
    Parameters parameters;
    for (int64_t next = 0; next < view.out_width; next += kTile) {
      const Place place = place_at(view, inside, needs_patches, next, out);
      int64_t c = 0;
      for (; c + kLanes <= channels; c += kLanes) {
        parameters.template read<true>(call, {c, kLanes});
        sum_at<true>(view, place, parameters, clamp, {c, kLanes});
      }
      if (c < channels) {
        parameters.template read<false>(call, {c, channels - c});
        sum_at<false>(view, place, parameters, clamp, {c, channels - c});
      }
    }
  }

  void sum_rows(const FloatDepthwiseCall& call, const View& view, Taps inside, float* out) const {
    const int64_t channels = call.layer->channels;
    // Zeros are as many as columns without dilation need.
    const bool needs_patches = has_zeros && view.pitch != channels;
    if (reads_in_order(*call.layer, view)) return sum_places(call, view, inside, needs_patches, out);
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) sum_channels<true>(call, view, inside, needs_patches, {c, kLanes}, out);
    if (c < channels) sum_channels<false>(call, view, inside, needs_patches, {c, channels - c}, out);
  }
};

template <int filter, int stride, int rows>
void square_rows(const FloatDepthwiseCall& call, const View& view, int64_t y) {
  using Tile = Square<filter, stride, rows>;
  Tile tile;
  tile.first_x = -view.before_x;
  tile.has_zeros = false;
  for (int r = 0; r < Tile::kInRows; ++r) {
    const int64_t in = y * stride - view.before_y + r;
    const bool is_inside = in >= 0 && in < view.in_height;
    tile.row[r] = is_inside ? view.in + in * view.in_row : call.zeros;
    tile.step[r] = is_inside ? view.pitch : 0;
    tile.has_zeros |= !is_inside;
  }
  const Taps inside = interior(view.in_width, view.out_width, filter, stride, 1, view.before_x);
  tile.sum_rows(call, view, inside, view.out + y * view.out_row);
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

// In views for squares, else rows of outputs.
int64_t tasks_of(const RealLayer& layer) {
  if (square_filter(layer) == 0) return int64_t{layer.batches} * layer.out_height;
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
