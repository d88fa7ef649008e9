// DEPTHWISE_CONV_2D of float32 with filters of 3 x 3 and 5 x 5 on images small enough to be copied.
#pragma once

#include "micro/depthwise_float_square_body.h"

namespace subgraft {
namespace {

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
      const int64_t left = view.before_x < width(view) ? view.before_x : width(view);
      const int64_t right = width(view) - left < view.in_width ? width(view) : left + view.in_width;
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
      typename Tile::Inside source;
      for (int r = 0; r < Tile::kInRows; ++r) source.from[r] = row + (r * width(view) + x * stride) * kLanes;
      source.pitch = kLanes;
      Floats sums[rows][kTile];
      Tile::template sum_tile<true>(source, w, start, {0, kLanes}, sums);
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
