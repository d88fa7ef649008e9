// Rows of activations times sparse weights: FULLY_CONNECTED and 1x1 CONV_2D from the compressed form. Sums run in the
// order of the dense kernels and leave out only products with zero, so that the results are the same; but what is
// infinite or no number stays out of sums where its weight is zero.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "kernels/dot.h"
#include "kernels/sparse_rows.h"
#include "runtime/kernel.h"

namespace subgraft {

// Rows of activations that share one pass over the weights: their elements lie side by side, as vectors.
inline constexpr int kLanes = 16, kFewLanes = 4;

// An element beside those of other rows, its zero point taken off.
inline float lane_of(RealProduct, float x) { return x; }
template <typename X>
int16_t lane_of(CenteredProduct<X> product, X x) {
  return static_cast<int16_t>(x - product.x_zero);
}
template <typename X>
X lane_of(WideProduct<X, int8_t>, X x) {
  return x;
}

// What a lane and a weight add to a sum.
template <typename Sum, typename Lane, typename W>
inline Sum lane_product(Lane x, W w) {
  if constexpr (std::is_floating_point_v<Sum>)
    return x * w;
  else
    return static_cast<Sum>(int32_t{x} * int32_t{w});
}

// x [depth, lanes] times rows of the weights: finish(lane, unit, sum) for the first `rows` lanes.
template <int lanes, typename Sum, typename Lane, typename W, typename Finish>
void multiply_lanes(const Lane* x, const SparseRows<W>& w, int64_t unit_begin, int64_t unit_end, int rows,
                    const Finish& finish) {
  for (int64_t unit = unit_begin; unit < unit_end; ++unit) {
    Sum sums[lanes] = {};
    for (uint32_t k = w.first[unit]; k < w.first[unit + 1]; ++k) {
      const Lane* from = x + int64_t{w.columns[k]} * lanes;
      for (int lane = 0; lane < lanes; ++lane) sums[lane] += lane_product<Sum>(from[lane], w.values[k]);
    }
    for (int lane = 0; lane < rows; ++lane) finish(lane, unit, sums[lane]);
  }
}

// One row of activations with units [unit, unit + units), which take turns so that no sum waits for itself.
template <int units, typename Sum, typename X, typename W, typename Product>
void add_sparse_dots(const X* x, const SparseRows<W>& w, int64_t unit, Product product, Sum* sums) {
  uint32_t shortest = UINT32_MAX;
  for (int u = 0; u < units; ++u) shortest = std::min(shortest, w.first[unit + u + 1] - w.first[unit + u]);
  const auto add = [&](int u, int64_t k) { sums[u] += static_cast<Sum>(product(x[w.columns[k]], w.values[k])); };
  for (uint32_t k = 0; k < shortest; ++k)
    for (int u = 0; u < units; ++u) add(u, int64_t{w.first[unit + u]} + k);
  for (int u = 0; u < units; ++u)
    for (int64_t k = int64_t{w.first[unit + u]} + shortest; k < w.first[unit + u + 1]; ++k) add(u, k);
}

// The same for one unit and weights in blocks, with a sum for each element of a block: for integers, where the order
// does not show.
template <typename Sum, typename X, typename W, typename Product>
Sum sparse_dot_of_blocks(const X* x, const SparseRows<W>& w, int64_t unit, Product product) {
  constexpr int block = kSparseBlock;
  Sum sums[block] = {};
  for (int64_t k = w.first[unit]; k < w.first[unit + 1]; ++k) {
    const X* from = x + w.columns[k];
    const W* values = w.values + k * block;
    for (int j = 0; j < block; ++j) sums[j] += static_cast<Sum>(product(from[j], values[j]));
  }
  Sum sum = 0;
  for (int j = 0; j < block; ++j) sum += sums[j];
  return sum;
}

struct SparseSizes {
  int64_t rows = 0, units = 0, depth = 0;  // rows of activations, rows of weights, and how long both are
};

// Whether the compressed form of so many stored values is the faster one, in blocks or not.
bool sparse_wins(const SparseSizes& s, int64_t stored, bool in_blocks, DType activations, DType weights);

// The sparse weights of an op at input 1, or nothing where they are dense or faster so.
template <typename W>
class SparseProduct {
 public:
  SparseProduct() = default;
  SparseProduct(Preparation& p, const SparseSizes& s);

  explicit operator bool() const { return rows_ != nullptr; }

  // finish(row, unit, sum) for all of x times the transpose of the weights; row_at(row) is where a row of activations
  // begins, product_of(row) is what pairs of its elements add.
  template <typename Sum, typename X, typename RowAt, typename ProductOf, typename Finish>
  void multiply(const Invocation& v, const RowAt& row_at, const ProductOf& product_of, const Finish& finish) const;

 private:
  using Lane = std::conditional_t<std::is_floating_point_v<W>, float, int16_t>;

  template <int lanes, typename Sum, typename RowAt, typename ProductOf, typename Finish>
  void multiply_together(int64_t row, int rows, const Tile& tile, Lane* side_by_side, const RowAt& row_at,
                         const ProductOf& product_of, const Finish& finish) const;
  template <typename Sum, typename X, typename Product, typename Finish>
  void multiply_alone(int64_t row, const X* x, const Tile& tile, Product product, const Finish& finish) const;

  SparseSizes s_;
  std::shared_ptr<const SparseRows<W>> rows_;
  int scratch_ = 0;
  int64_t slices_ = 1;  // pieces that the threads take, each with scratch memory of its own
  int64_t lanes_ = 0;   // in the scratch memory of a slice
};

template <typename W>
SparseProduct<W>::SparseProduct(Preparation& p, const SparseSizes& s) : s_(s) {
  const auto constant = p.sparse(1);
  if (!constant || s.rows == 0 || s.depth > kLongestSparseRow || constant->stored() > UINT32_MAX) return;
  const bool in_blocks = std::is_integral_v<W> && s.rows == 1 && has_blocks(*constant, s.depth);
  if (!sparse_wins(s, constant->stored(), in_blocks, p.input(0).dtype, p.input(1).dtype)) return;
  p.keep_sparse(1);
  rows_ = p.shared<SparseRows<W>>(1, in_blocks ? "sparse blocks" : "sparse rows",
                                  [&] { return SparseRows<W>::of(constant, s.depth, in_blocks ? kSparseBlock : 1); });
  slices_ = p.threads();
  lanes_ = s.rows == 1 ? 0 : s.depth * kLanes;
  scratch_ = p.scratch(slices_ * lanes_ * static_cast<int64_t>(sizeof(Lane)));
}

template <typename W>
template <typename Sum, typename X, typename RowAt, typename ProductOf, typename Finish>
void SparseProduct<W>::multiply(const Invocation& v, const RowAt& row_at, const ProductOf& product_of,
                                const Finish& finish) const {
  const bool by_rows = s_.rows >= slices_ * kLanes;
  // Slices of few operations are not worth a thread.
  const int64_t grain = grain_of(s_.rows * rows_->first.back() * rows_->block / slices_);
  v.parallel(slices_, grain, [&](int64_t begin, int64_t end) {
    for (int64_t slice = begin; slice < end; ++slice) {
      Tile tile{0, s_.rows, 0, s_.units};
      (by_rows ? tile.row_begin : tile.unit_begin) = (by_rows ? s_.rows : s_.units) * slice / slices_;
      (by_rows ? tile.row_end : tile.unit_end) = (by_rows ? s_.rows : s_.units) * (slice + 1) / slices_;
      Lane* lanes = v.scratch<Lane>(scratch_) + slice * lanes_;
      for (int64_t row = tile.row_begin; row < tile.row_end;) {
        const auto left = static_cast<int>(std::min<int64_t>(kLanes, tile.row_end - row));
        if (left > kFewLanes)
          multiply_together<kLanes, Sum>(row, left, tile, lanes, row_at, product_of, finish);
        else if (left > 1)
          multiply_together<kFewLanes, Sum>(row, left, tile, lanes, row_at, product_of, finish);
        else
          multiply_alone<Sum>(row, row_at(row), tile, product_of(row), finish);
        row += left;
      }
    }
  });
}

template <typename W>
template <int lanes, typename Sum, typename RowAt, typename ProductOf, typename Finish>
void SparseProduct<W>::multiply_together(int64_t row, int rows, const Tile& tile, Lane* side_by_side,
                                         const RowAt& row_at, const ProductOf& product_of, const Finish& finish) const {
  for (int lane = 0; lane < rows; ++lane) {
    const auto* x = row_at(row + lane);
    const auto product = product_of(row + lane);
    for (int64_t i = 0; i < s_.depth; ++i) side_by_side[i * lanes + lane] = lane_of(product, x[i]);
  }
  // The other lanes keep what lay there: their sums are not asked for.
  multiply_lanes<lanes, Sum>(side_by_side, *rows_, tile.unit_begin, tile.unit_end, rows,
                             [&](int lane, int64_t unit, Sum sum) { finish(row + lane, unit, sum); });
}

template <typename W>
template <typename Sum, typename X, typename Product, typename Finish>
void SparseProduct<W>::multiply_alone(int64_t row, const X* x, const Tile& tile, Product product,
                                      const Finish& finish) const {
  if (rows_->block > 1) {
    for (int64_t unit = tile.unit_begin; unit < tile.unit_end; ++unit)
      finish(row, unit, sparse_dot_of_blocks<Sum>(x, *rows_, unit, product));
    return;
  }
  for (int64_t unit = tile.unit_begin; unit < tile.unit_end;) {
    Sum sums[kDotRows] = {};
    const bool full = unit + kDotRows <= tile.unit_end;
    if (full)
      add_sparse_dots<kDotRows>(x, *rows_, unit, product, sums);
    else
      add_sparse_dots<1>(x, *rows_, unit, product, sums);
    for (int i = 0; i < (full ? kDotRows : 1); ++i) finish(row, unit + i, sums[i]);
    unit += full ? kDotRows : 1;
  }
}

}  // namespace subgraft
