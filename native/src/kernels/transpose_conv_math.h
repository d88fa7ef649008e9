// The arithmetic of TRANSPOSE_CONV, as a sum for each output: the reference spreads each input over the outputs
// instead, which adds the same products in the same order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/dot.h"
#include "kernels/window.h"

namespace subgraft {

// NHWC activations, weights [channels_out, y, x, channels_in].
struct TransposedGeometry {
  int32_t batches = 0, channels_in = 0, channels_out = 0;
  // Of the convolution that goes the other way: `in` is the size of this op's output, `out` that of its input.
  Window y, x;

  int64_t image() const { return int64_t{y.out} * x.out * channels_in; }       // input elements of one batch
  int64_t outputs() const { return int64_t{y.in} * x.in * channels_out; }      // output elements of one batch
  int64_t pixels() const { return int64_t{batches} * y.in * x.in; }            // output positions
  int64_t taps() const { return int64_t{y.filter} * x.filter * channels_in; }  // weights of one output channel
  // Work is counted in items: so many output channels at one output position.
  int64_t blocks(int64_t rows) const { return (channels_out + rows - 1) / rows; }
};

// The inputs whose windows reach output o, and the filter element with which the first of them does; each following
// one does so with the element `stride` before.
struct Reach {
  int64_t begin, end, tap;

  Reach(const Window& w, int64_t o) {
    const int64_t last = o + w.before;
    begin = last < w.filter ? 0 : (last - w.filter) / w.stride + 1;
    end = std::min<int64_t>(w.out, last / w.stride + 1);
    tap = last - begin * w.stride;
  }
};

template <int channels, typename Sum, typename X, typename W, typename Product>
void convolve_transposed_at(const TransposedGeometry& g, const X* image, Reach rows, Reach columns, const W* w,
                            Product product, Sum* sums) {
  const int64_t depth = g.channels_in;
  for (int64_t y = rows.begin, tap_y = rows.tap; y < rows.end; ++y, tap_y -= g.y.stride) {
    for (int64_t x = columns.begin, tap_x = columns.tap; x < columns.end; ++x, tap_x -= g.x.stride) {
      const W* weights = w + (tap_y * g.x.filter + tap_x) * depth;
      add_dots<channels>(image + (y * g.x.out + x) * depth, weights, g.taps(), depth, product, sums);
    }
  }
}

// finish(index of the output element, channel, sum) for the items from `begin` to `end`, of `rows` channels each.
// product_of(channel) is what pairs of elements add for the channels of the item that begins there.
template <int rows, typename Sum, typename X, typename W, typename ProductOf, typename Finish>
void convolve_transposed(const TransposedGeometry& g, const X* in, const W* w, const ProductOf& product_of,
                         int64_t begin, int64_t end, const Finish& finish) {
  const int64_t blocks = g.blocks(rows);
  for (int64_t item = begin; item < end;) {
    const int64_t pixel = item / blocks, row = pixel / g.x.in, batch = row / g.y.in;
    const Reach reach_y(g.y, row - batch * g.y.in), reach_x(g.x, pixel - row * g.x.in);
    const X* image = in + batch * g.image();
    const int64_t last = std::min(end, (pixel + 1) * blocks);
    for (; item < last; ++item) {
      const int64_t first = (item - pixel * blocks) * rows;
      const int64_t channels = std::min<int64_t>(rows, g.channels_out - first);
      const W* weights = w + first * g.taps();
      Sum sums[rows] = {};
      if (channels == rows) {
        convolve_transposed_at<rows>(g, image, reach_y, reach_x, weights, product_of(first), sums);
      } else {
        for (int64_t i = 0; i < channels; ++i)
          convolve_transposed_at<1>(g, image, reach_y, reach_x, weights + i * g.taps(), product_of(first + i),
                                    sums + i);
      }
      for (int64_t i = 0; i < channels; ++i) finish(pixel * g.channels_out + first + i, first + i, sums[i]);
    }
  }
}

}  // namespace subgraft
