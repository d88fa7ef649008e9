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

// Images that are small enough are copied, one vector of channels after the other, with zeros around them: tiles read
// them at short distances and know no edges.
constexpr int64_t kCopyBytes = 24 << 10;

template <int filter, int stride>
struct Copied {
  static int64_t width(const View& view) { return (view.out_width - 1) * stride + filter; }
  static int64_t height(const View& view) { return (view.out_height - 1) * stride + filter; }

  template <bool whole>
  static void copy(const View& view, Channels channels, float* to) {
    for (int64_t r = 0; r < height(view); ++r) {
      const int64_t y = r - view.before_y;
      const bool is_inside = y >= 0 && y < view.in_height;
      const int64_t left = view.before_x,
                    right = width(view) < left + view.in_width ? width(view) : left + view.in_width;
      const float* from = view.in + y * view.in_row + channels.first;
      int64_t c = 0;
      for (; c < (is_inside ? left : width(view)); ++c, to += kLanes) store(to, broadcast(0.f));
      for (; c < right; ++c, to += kLanes)
        store(to, load_channels<whole>(from + (c - left) * view.pitch, channels.count));
      for (; c < width(view); ++c, to += kLanes) store(to, broadcast(0.f));
    }
  }

  // `rows` rows of outputs from y on.
  template <bool whole, int rows>
  [[gnu::always_inline]] static void sum_rows(const View& view, const float* image, int64_t y, const Floats* w,
                                              Floats start, const Clamp& clamp, Channels channels) {
    using Tile = Square<filter, stride, rows>;
    const float* row = image + y * stride * width(view) * kLanes;
    for (int64_t next = 0; next < view.out_width; next += kTile) {
      const int64_t x = next + kTile <= view.out_width ? next : view.out_width - kTile;
      const float* from[Tile::kInRows];
      for (int r = 0; r < Tile::kInRows; ++r) from[r] = row + (r * width(view) + x * stride) * kLanes;
      Floats sums[rows][kTile];
      Tile::template sum_tile<true>(from, kLanes, w, start, channels, sums);
      float* to = view.out + y * view.out_row + x * view.pitch + channels.first;
      for (int r = 0; r < rows; ++r)
        for (int t = 0; t < kTile; ++t)
          store_channels<whole>(to + r * view.out_row + t * view.pitch, clamp(sums[r][t]), channels.count);
    }
  }

  template <bool whole>
  static void run(const FloatDepthwiseCall& call, const View& view, Channels channels) {
    alignas(64) float image[kCopyBytes / 4];
    copy<whole>(view, channels, image);
    typename Square<filter, stride, 1>::Parameters parameters;
    parameters.template read<whole>(call, channels);
    const Clamp clamp{broadcast(call.layer->min), broadcast(call.layer->max)};
    int64_t y = 0;
    for (; y + 2 <= view.out_height; y += 2)
      sum_rows<whole, 2>(view, image, y, parameters.w, parameters.start, clamp, channels);
    if (y < view.out_height) sum_rows<whole, 1>(view, image, y, parameters.w, parameters.start, clamp, channels);
  }
};

// One vector of channels of one image.
template <int filter, int stride>
void copied_channels(const FloatDepthwiseCall& call, int64_t batch, Channels channels) {
  const RealLayer& layer = *call.layer;
  for (int64_t y = 0; y < layer.dilation_y; ++y) {
    for (int64_t x = 0; x < layer.dilation_x; ++x) {
      const View view = view_of(call, batch, y, x);
      if (channels.count == kLanes)
        Copied<filter, stride>::template run<true>(call, view, channels);
      else
        Copied<filter, stride>::template run<false>(call, view, channels);
    }
  }
}

}  // namespace
}  // namespace subgraft
