// Dot products of one row of activations with several rows of weights: the inner loop of CONV_2D, FULLY_CONNECTED and
// BATCH_MATMUL. Sums run in the natural order, so floats come out the same however the work is divided.
#pragma once

#include <cstdint>
#include <type_traits>

#include "runtime/kernel.h"

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
  int64_t operator()(X x, W w) const {
    if constexpr (sizeof(W) == 1) return int32_t{x} * (int32_t{w} - w_zero);
    return int64_t{x} * (int64_t{w} - w_zero);
  }
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

// The part of a product of matrices that one thread computes.
struct Tile {
  int64_t row_begin, row_end;    // of the activations, and of the result
  int64_t unit_begin, unit_end;  // rows of the weights: columns of the result
};

// finish(row, unit, sum) for a tile of x [rows, depth] times the transpose of w [units, depth]; product_of(row) is what
// pairs of elements of that row add.
template <typename Sum, typename X, typename W, typename ProductOf, typename Finish>
void multiply(const X* x, const W* w, int64_t depth, const Tile& tile, const ProductOf& product_of,
              const Finish& finish) {
  for (int64_t unit = tile.unit_begin; unit < tile.unit_end;) {
    const bool full = unit + kDotRows <= tile.unit_end;
    for (int64_t row = tile.row_begin; row < tile.row_end; ++row) {
      Sum sums[kDotRows] = {};
      if (full)
        add_dots<kDotRows>(x + row * depth, w + unit * depth, depth, depth, product_of(row), sums);
      else
        add_dots<1>(x + row * depth, w + unit * depth, depth, depth, product_of(row), sums);
      for (int i = 0; i < (full ? kDotRows : 1); ++i) finish(row, unit + i, sums[i]);
    }
    unit += full ? kDotRows : 1;
  }
}

// The least number of items for one thread when each item costs `operations` multiplications.
inline int64_t grain_of(int64_t operations) {
  constexpr int64_t kWorthAThread = 1 << 16;
  return operations >= kWorthAThread ? 1 : kWorthAThread / (operations > 0 ? operations : 1);
}

// Calls work(tile) for all of a product of matrices, divided along the longer side.
template <typename Work>
void parallel_tiles(const Invocation& v, int64_t rows, int64_t units, int64_t depth, const Work& work) {
  if (rows > units) {
    v.parallel(rows, grain_of(units * depth), [&](int64_t begin, int64_t end) { work(Tile{begin, end, 0, units}); });
  } else {
    v.parallel(units, grain_of(rows * depth), [&](int64_t begin, int64_t end) { work(Tile{0, rows, begin, end}); });
  }
}

}  // namespace subgraft
