// Sliding windows along one axis: output sizes, paddings, and which taps of a window fall inside the input.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/kernel.h"

namespace subgraft {

// Padding of the schema.
inline constexpr int64_t kPaddingSame = 0;
inline constexpr int64_t kPaddingValid = 1;

struct Window {
  int32_t in = 0, out = 0, filter = 0;
  int64_t stride = 1, dilation = 1;
  int64_t before = 0;  // padding before the first element

  struct Taps {
    int32_t begin, end;
  };

  int64_t origin(int64_t o) const { return o * stride - before; }
  // The filter elements that meet the input at output o; an empty range where none does.
  Taps taps(int64_t o) const {
    const int64_t first = origin(o);
    const int64_t begin = first >= 0 ? 0 : (-first + dilation - 1) / dilation;
    const int64_t end = first >= in ? 0 : std::min<int64_t>(filter, (in - 1 - first) / dilation + 1);
    return {static_cast<int32_t>(std::min(begin, end)), static_cast<int32_t>(end)};
  }
};

// Throws ModelError for sizes, strides and dilations that are not positive or a window that does not fit.
inline Window make_window(const Preparation& p, int64_t padding, int64_t in, int64_t filter, int64_t stride,
                          int64_t dilation) {
  p.require(padding == kPaddingSame || padding == kPaddingValid, "padding ", padding, " does not exist");
  p.require(stride > 0 && stride <= INT32_MAX, "stride is ", stride);
  p.require(dilation > 0 && dilation <= INT32_MAX, "dilation is ", dilation);
  p.require(filter > 0 && filter <= INT32_MAX, "the filter has size ", filter);
  p.require(in > 0 && in <= INT32_MAX, "the input has size ", in, " where the filter slides");
  const int64_t extent = (filter - 1) * dilation + 1;
  const int64_t out = (in - (padding == kPaddingValid ? extent : 1) + stride) / stride;
  p.require(padding == kPaddingSame || extent <= in + stride, "the filter spans ", extent, " of only ", in,
            " elements");
  const int64_t total = std::max<int64_t>(0, (out - 1) * stride + extent - in);
  Window window;
  window.in = static_cast<int32_t>(in);
  window.out = static_cast<int32_t>(out);
  window.filter = static_cast<int32_t>(filter);
  window.stride = stride;
  window.dilation = dilation;
  window.before = total / 2;
  return window;
}

// What a PAD before the op puts around the images of input 0 becomes padding of the op's own, where padding is zeros.
inline void absorb_border(Preparation& p, Window& y, Window& x) {
  const Preparation::Border border = p.absorb_border(0);
  y.in -= static_cast<int32_t>(border.top + border.bottom);
  y.before += border.top;
  x.in -= static_cast<int32_t>(border.left + border.right);
  x.before += border.left;
}

}  // namespace subgraft
