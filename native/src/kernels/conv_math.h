// The arithmetic of CONV_2D.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/convolution.h"
#include "kernels/dot.h"

namespace subgraft {

// Work is counted in items: kDotRows output channels (of one group) at one output position.
inline int64_t conv_blocks(const ConvGeometry& g) {
  return int64_t{g.groups} * ((g.channels_out / g.groups + kDotRows - 1) / kDotRows);
}

// One output position: where its taps begin and which of them meet the input.
template <typename X>
struct ConvPosition {
  const X* image;
  int64_t y, x;  // of the first tap, perhaps outside the image
  Window::Taps rows, columns;
};

template <int channels, typename Sum, typename X, typename W, typename Product>
void convolve_at(const ConvGeometry& g, const ConvPosition<X>& at, int64_t first_in, const W* w, Product product,
                 Sum* sums) {
  const int64_t step = g.x.dilation * g.channels_in;
  // Neighbouring taps are neighbours in memory too, unless they are dilated or grouped.
  const bool adjacent = g.x.dilation == 1 && g.groups == 1;
  const int64_t columns = at.columns.end - at.columns.begin;
  const int64_t runs = adjacent ? 1 : columns;
  const int64_t count = adjacent ? columns * g.depth : g.depth;
  for (int64_t row = at.rows.begin; row < at.rows.end; ++row) {
    const int64_t y = at.y + row * g.y.dilation, x = at.x + at.columns.begin * g.x.dilation;
    const X* from = at.image + (y * g.x.in + x) * g.channels_in + first_in;
    const W* weights = w + (row * g.x.filter + at.columns.begin) * g.depth;
    for (int64_t run = 0; run < runs; ++run, from += step, weights += g.depth)
      add_dots<channels>(from, weights, g.taps(), count, product, sums);
  }
}

// finish(index of the output element, channel, sum) for the items from `begin` to `end`.
template <typename Sum, typename X, typename W, typename Product, typename Finish>
void convolve(const ConvGeometry& g, const X* in, const W* w, Product product, int64_t begin, int64_t end,
              const Finish& finish) {
  const int64_t blocks = conv_blocks(g), blocks_of_group = blocks / g.groups;
  const int64_t channels_of_group = g.channels_out / g.groups;
  for (int64_t item = begin; item < end;) {
    const int64_t pixel = item / blocks, row = pixel / g.x.out, batch = row / g.y.out;
    const int64_t out_y = row - batch * g.y.out, out_x = pixel - row * g.x.out;
    const ConvPosition<X> at{in + batch * g.image(), g.y.origin(out_y), g.x.origin(out_x), g.y.taps(out_y),
                             g.x.taps(out_x)};
    const int64_t last = std::min(end, (pixel + 1) * blocks);
    for (; item < last; ++item) {
      const int64_t block = item - pixel * blocks, group = block / blocks_of_group;
      const int64_t within = (block - group * blocks_of_group) * kDotRows;
      const int64_t first = group * channels_of_group + within;
      const int64_t channels = std::min<int64_t>(kDotRows, channels_of_group - within);
      Sum sums[kDotRows] = {};
      if (channels == kDotRows) {
        convolve_at<kDotRows>(g, at, group * g.depth, w + first * g.taps(), product, sums);
      } else {
        for (int64_t i = 0; i < channels; ++i)
          convolve_at<1>(g, at, group * g.depth, w + (first + i) * g.taps(), product, sums + i);
      }
      for (int64_t i = 0; i < channels; ++i) finish(pixel * g.channels_out + first + i, first + i, sums[i]);
    }
  }
}

}  // namespace subgraft
