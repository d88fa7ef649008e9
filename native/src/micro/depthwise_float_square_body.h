// DEPTHWISE_CONV_2D of float32 with filters of 3 x 3 and 5 x 5.
#pragma once

#include "micro/depthwise_float_any_body.h"

namespace subgraft {
namespace {

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

// Whether the image leaves the second cache.
inline bool is_large(const RealLayer& layer) {
  constexpr int64_t kLargeImage = 1 << 20;
  return 4 * int64_t{layer.in_height} * layer.in_width * layer.channels > kLargeImage;
}

// Whether memory decides the speed: pixels are farther apart than prefetching follows, or images are large. Small
// filters do not lose much by reading their weights for each place.
inline bool reads_in_order(const RealLayer& layer, const View& view) {
  const int64_t far_apart = layer.filter_width == 3 ? 256 : 2048;  // bytes
  return view.pitch * 4 >= far_apart || is_large(layer);
}

// A filter and stride that are known when this is compiled: a tile of `rows` x kTile outputs loads each value once.
template <int filter, int stride, int rows>
struct Square {
  static constexpr int kInRows = (rows - 1) * stride + filter;
  static constexpr int kInColumns = (kTile - 1) * stride + filter;
  static constexpr int kEdge = filter / 2;
  static_assert(kInColumns <= kDepthwiseZeroColumns);

  const float* row[kInRows];  // where column 0 of the image would be; zeros for rows outside
  int64_t step[kInRows];      // from one column to the next; 0 for zeros
  bool is_mixed;              // with zeros, which are too few for columns that are dilated
  int64_t first_x;            // the column of the image that output 0 begins with

  // The values of a tile, which sources give by row and column.

  // All are inside the image. from: one value for each row, its columns `pitch` apart.
  struct Inside {
    const float* from[kInRows];
    int64_t pitch;

    template <bool whole>
    [[gnu::always_inline]] Floats value(int row, int column, Channels channels) const {
      return load_channels<whole>(from[row] + column * pitch + channels.first, channels.count);
    }
  };

  // At most kEdge columns on either side are outside: any others are read instead, and their bits masked.
  struct Edged {
    const float* from[kInRows];
    int64_t pitch;
    int64_t at[2 * kEdge];  // from `from` to the outer columns
    Ints mask[2 * kEdge];

    template <bool whole>
    [[gnu::always_inline]] Floats value(int row, int column, Channels channels) const {
      const bool is_left = column < kEdge;
      if (!is_left && column < kInColumns - kEdge)
        return load_channels<whole>(from[row] + column * pitch + channels.first, channels.count);
      const int i = is_left ? column : column - (kInColumns - 2 * kEdge);
      return real(both(bits(load_channels<whole>(from[row] + at[i] + channels.first, channels.count)), mask[i]));
    }
  };

  // Any are outside, where zeros are.
  struct Scattered {
    const float* at[kInRows * kInColumns];

    template <bool whole>
    [[gnu::always_inline]] Floats value(int row, int column, Channels channels) const {
      return load_channels<whole>(at[row * kInColumns + column] + channels.first, channels.count);
    }
  };

  template <bool whole, typename Source>
  [[gnu::always_inline]] static void sum_tile(const Source& source, const Floats* w, Floats start, Channels channels,
                                              Floats (*sums)[kTile]) {
    for (int r = 0; r < rows; ++r)
      for (int t = 0; t < kTile; ++t) sums[r][t] = start;
#pragma GCC unroll 128
    for (int i = 0; i < kInRows * kInColumns; ++i) {
      const int row = i / kInColumns, column = i % kInColumns;
      const Floats value = source.template value<whole>(row, column, channels);
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

  // kTile neighbours of each row of outputs.
  struct Place {
    int64_t x;       // the first
    int64_t column;  // of the image, that it begins with
  };

  [[gnu::always_inline]] Place place_at(const View& view, int64_t next) const {
    const int64_t x = next + kTile <= view.out_width ? next : view.out_width - kTile;
    return {x, first_x + x * stride};
  }

  // Whether a tile passes the image by no more than so many columns on either side. Rows outside are zeros only where
  // columns are not dilated.
  bool fits(const View& view, const Place& place, int64_t columns) const {
    return !is_mixed && place.column >= -columns && place.column + kInColumns - columns <= view.in_width;
  }

  [[gnu::always_inline]] Inside inside_of(const View& view, const Place& place) const {
    Inside source;
    for (int r = 0; r < kInRows; ++r) source.from[r] = row[r] + place.column * step[r];
    source.pitch = view.pitch;
    return source;
  }

  [[gnu::always_inline]] Edged edged_of(const View& view, const Place& place) const {
    Edged source;
    for (int r = 0; r < kInRows; ++r) source.from[r] = row[r] + place.column * step[r];
    source.pitch = view.pitch;
    for (int i = 0; i < 2 * kEdge; ++i) {
      const int column = i < kEdge ? i : i + (kInColumns - 2 * kEdge);
      const bool is_inside = place.column + column >= 0 && place.column + column < view.in_width;
      source.at[i] = (is_inside ? column : kEdge) * view.pitch;
      source.mask[i] = broadcast(is_inside ? -1 : 0);
    }
    return source;
  }

  Scattered scattered_of(const View& view, const Place& place, const float* zeros) const {
    Scattered source;
    for (int r = 0; r < kInRows; ++r) {
      for (int c = 0; c < kInColumns; ++c) {
        const int64_t column = place.column + c;
        const bool is_inside = column >= 0 && column < view.in_width;
        source.at[r * kInColumns + c] = is_inside ? row[r] + column * step[r] : zeros;
      }
    }
    return source;
  }

  // One vector of channels. out: row 0 of the tile, column 0.
  template <bool whole, typename Source>
  [[gnu::always_inline]] static void sum_one(const View& view, const Place& place, const Source& source,
                                             const Parameters& parameters, const Clamp& clamp, Channels channels,
                                             float* out) {
    Floats sums[rows][kTile];
    sum_tile<whole>(source, parameters.w, parameters.start, channels, sums);
    float* const to = out + place.x * view.pitch + channels.first;
    for (int r = 0; r < rows; ++r)
      for (int t = 0; t < kTile; ++t)
        store_channels<whole>(to + r * view.out_row + t * view.pitch, clamp(sums[r][t]), channels.count);
  }

  // Rows of at least kTile outputs, one vector of channels after the other: their parameters stay in registers.
  template <bool whole>
  void sum_channels(const FloatDepthwiseCall& call, const View& view, Channels channels, float* out) const {
    Parameters parameters;
    parameters.template read<whole>(call, channels);
    const Clamp clamp{broadcast(call.layer->min), broadcast(call.layer->max)};
    for (int64_t next = 0; next < view.out_width; next += kTile) {
      const Place place = place_at(view, next);
      if (fits(view, place, 0))
        sum_one<whole>(view, place, inside_of(view, place), parameters, clamp, channels, out);
      else if (fits(view, place, kEdge))
        sum_one<whole>(view, place, edged_of(view, place), parameters, clamp, channels, out);
      else
        sum_one<whole>(view, place, scattered_of(view, place, call.zeros), parameters, clamp, channels, out);
    }
  }

  // All channels of one place.
  template <typename Source>
  void sum_place(const FloatDepthwiseCall& call, const View& view, const Place& place, const Source& source,
                 float* out) const {
    const int64_t channels = call.layer->channels;
    const Clamp clamp{broadcast(call.layer->min), broadcast(call.layer->max)};
    Parameters parameters;
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) {
      parameters.template read<true>(call, {c, kLanes});
      sum_one<true>(view, place, source, parameters, clamp, {c, kLanes}, out);
    }
    if (c < channels) {
      parameters.template read<false>(call, {c, channels - c});
      sum_one<false>(view, place, source, parameters, clamp, {c, channels - c}, out);
    }
  }

  // One place after the other: memory is read in its order.
  void sum_places(const FloatDepthwiseCall& call, const View& view, float* out) const {
    for (int64_t next = 0; next < view.out_width; next += kTile) {
      const Place place = place_at(view, next);
      if (fits(view, place, 0))
        sum_place(call, view, place, inside_of(view, place), out);
      else if (fits(view, place, kEdge))
        sum_place(call, view, place, edged_of(view, place), out);
      else
        sum_place(call, view, place, scattered_of(view, place, call.zeros), out);
    }
  }

  void sum_rows(const FloatDepthwiseCall& call, const View& view, float* out) const {
    const int64_t channels = call.layer->channels;
    if (is_mixed || reads_in_order(*call.layer, view)) return sum_places(call, view, out);
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) sum_channels<true>(call, view, {c, kLanes}, out);
    if (c < channels) sum_channels<false>(call, view, {c, channels - c}, out);
  }
};

template <int filter, int stride, int rows>
void square_rows(const FloatDepthwiseCall& call, const View& view, int64_t y) {
  using Tile = Square<filter, stride, rows>;
  Tile tile;
  tile.first_x = -view.before_x;
  tile.is_mixed = false;
  for (int r = 0; r < Tile::kInRows; ++r) {
    const int64_t in = y * stride - view.before_y + r;
    const bool is_inside = in >= 0 && in < view.in_height;
    tile.row[r] = is_inside ? view.in + in * view.in_row : call.zeros;
    tile.step[r] = is_inside ? view.pitch : 0;
    tile.is_mixed |= !is_inside && view.pitch != call.layer->channels;
  }
  tile.sum_rows(call, view, view.out + y * view.out_row);
}

}  // namespace
}  // namespace subgraft
