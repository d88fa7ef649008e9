// Dot products of one row of activations with several rows of weights: the inner loop of CONV_2D, FULLY_CONNECTED and
// BATCH_MATMUL. Sums run in the natural order, so floats come out the same however the work is divided.
#pragma once

#include <cstdint>
#include <type_traits>

namespace subgraft {

// What one pair of elements adds. Eight-bit differences fit in 16 bits, which lets the compiler multiply pairs.
struct RealProduct {
  float operator()(float x, float w) const { return x * w; }
};
template <typename X>
struct CenteredProduct {
  int16_t x_zero = 0;
  int32_t operator()(X x, int8_t w) const { return static_cast<int16_t>(x - x_zero) * int16_t{w}; }
};
template <typename X, typename W>
struct BothCenteredProduct {
  int16_t x_zero = 0, w_zero = 0;
  int32_t operator()(X x, W w) const { return static_cast<int16_t>(x - x_zero) * static_cast<int16_t>(w - w_zero); }
};
template <typename X, typename W>
struct WideProduct {  // 16-bit activations, whose zero point is 0
  int32_t w_zero = 0;
  int64_t operator()(X x, W w) const { return int64_t{x} * (int64_t{w} - w_zero); }
};

// Integer sums wrap around instead of overflowing, as the reference's do in practice.
template <typename Accumulator>
using SumOf = typename std::conditional_t<std::is_floating_point_v<Accumulator>, std::type_identity<Accumulator>,
                                          std::make_unsigned<Accumulator>>::type;

// sums[r] += x[0]*w[r*stride] + x[1]*w[r*stride + 1] + ... for `count` elements.
template <int rows, typename X, typename W, typename Product, typename Sum>
inline void add_dots(const X* x, const W* w, int64_t stride, int64_t count, Product product, Sum* sums) {
  Sum local[rows];
  for (int r = 0; r < rows; ++r) local[r] = sums[r];
  for (int64_t i = 0; i < count; ++i)
    for (int r = 0; r < rows; ++r) local[r] += static_cast<Sum>(product(x[i], w[r * stride + i]));
  for (int r = 0; r < rows; ++r) sums[r] = local[r];
}

// Rows of weights that share one pass over the activations.
inline constexpr int kDotRows = 4;

// finish(r, sum) with the product of x and each row of w from `begin` to `end`.
template <typename Sum, typename X, typename W, typename Product, typename Finish>
inline void dot_rows(const X* x, const W* w, int64_t depth, int64_t begin, int64_t end, Product product,
                     const Finish& finish) {
  int64_t r = begin;
  for (; r + kDotRows <= end; r += kDotRows) {
    Sum sums[kDotRows] = {};
    add_dots<kDotRows>(x, w + r * depth, depth, depth, product, sums);
    for (int i = 0; i < kDotRows; ++i) finish(r + i, sums[i]);
  }
  for (; r < end; ++r) {
    Sum sum = 0;
    add_dots<1>(x, w + r * depth, depth, depth, product, &sum);
    finish(r, sum);
  }
}

// The least number of items for one thread when each item costs `operations` multiplications.
inline int64_t grain_of(int64_t operations) {
  constexpr int64_t kWorthAThread = 1 << 16;
  return operations >= kWorthAThread ? 1 : kWorthAThread / (operations > 0 ? operations : 1);
}

}  // namespace subgraft
