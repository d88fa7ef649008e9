// The arithmetic of DEPTHWISE_CONV_2D.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/convolution.h"
#include "kernels/dot.h"

namespace subgraft {

// Output channels that are summed side by side.
inline constexpr int64_t kDepthwiseChannels = 64;

// sums[c] += the product of one tap for output channels `first` to `first + count`; `multiplier` of them share an
// input channel.
template <typename Sum, typename X, typename W, typename Product>
inline void add_tap(const X* x, const W* w, int64_t first, int64_t count, int64_t multiplier, Product product,
                    Sum* sums) {
  if (multiplier == 1) {
    for (int64_t c = 0; c < count; ++c) sums[c] += static_cast<Sum>(product(x[first + c], w[first + c]));
    return;
  }
  int64_t in = first / multiplier, left = multiplier - first % multiplier;
  for (int64_t c = 0; c < count; ++c) {
    sums[c] += static_cast<Sum>(product(x[in], w[first + c]));
    if (--left == 0) {
      left = multiplier;
      ++in;
    }
  }
}

// finish(index of the output element, channel, sum) for the output positions from `begin` to `end`.
template <typename Sum, typename X, typename W, typename Product, typename Finish>
void convolve_depthwise(const ConvGeometry& g, const X* in, const W* w, Product product, int64_t begin, int64_t end,
                        const Finish& finish) {
  const int64_t multiplier = g.channels_out / g.channels_in;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const int64_t row = pixel / g.x.out, batch = row / g.y.out;
    const int64_t out_y = row - batch * g.y.out, out_x = pixel - row * g.x.out;
    const Window::Taps rows = g.y.taps(out_y), columns = g.x.taps(out_x);
    const int64_t first_y = g.y.origin(out_y), first_x = g.x.origin(out_x);
    for (int64_t first = 0; first < g.channels_out; first += kDepthwiseChannels) {
      const int64_t count = std::min(kDepthwiseChannels, g.channels_out - first);
      Sum sums[kDepthwiseChannels] = {};
      for (int64_t r = rows.begin; r < rows.end; ++r) {
        for (int64_t c = columns.begin; c < columns.end; ++c) {
          const int64_t y = first_y + r * g.y.dilation, x = first_x + c * g.x.dilation;
          const X* from = in + batch * g.image() + (y * g.x.in + x) * g.channels_in;
          add_tap(from, w + (r * g.x.filter + c) * g.channels_out, first, count, multiplier, product, sums);
        }
      }
      for (int64_t c = 0; c < count; ++c) finish(pixel * g.channels_out + first + c, first + c, sums[c]);
    }
  }
}

}  // namespace subgraft
