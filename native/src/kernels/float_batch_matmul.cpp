// BATCH_MATMUL of float32 with the fast micro-kernels.
#include <iterator>
#include <limits>

#include "kernels/float_gemm.h"

namespace subgraft {
namespace {

constexpr int64_t kFloat = sizeof(float);
constexpr FloatResult kBare = {nullptr, 0, nullptr, std::numeric_limits<float>::lowest(),
                               std::numeric_limits<float>::max()};

FloatResult result_at(float* out, int64_t units) {
  FloatResult result = kBare;
  result.out = out;
  result.step = units;
  return result;
}

// Left sides that lie transposed, [depth, rows], are turned first.
class LeftSide {
 public:
  LeftSide(Preparation& p, const MatmulSizes& s) : s_(s) {
    if (s.left_transposed) scratch_ = p.scratch(s.left_matrices * s.rows * s.depth * kFloat);
  }
  const float* ready(const Invocation& v) const {
    if (scratch_ < 0) return v.in<float>(0);
    const float* from = v.in<float>(0);
    float* to = v.scratch<float>(scratch_);
    for (int64_t m = 0; m < s_.left_matrices; ++m, from += s_.rows * s_.depth, to += s_.rows * s_.depth)
      for (int64_t k = 0; k < s_.depth; ++k)
        for (int64_t r = 0; r < s_.rows; ++r) to[r * s_.depth + k] = from[k * s_.rows + r];
    return v.scratch<float>(scratch_);
  }

 private:
  MatmulSizes s_;
  int scratch_ = -1;
};

// Sums of one product: every row times every column. `units` is a constant where it is small.
template <int64_t few>
void multiply_outer(const float* left, const float* right, int64_t rows, int64_t units, float* out) {
  const int64_t columns = few > 0 ? few : units;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t unit = 0; unit < columns; ++unit) out[row * columns + unit] = left[row] * right[unit];
}

Compute outer_products(const MatmulSizes& s) {
  constexpr decltype(&multiply_outer<0>) kOfUnits[] = {multiply_outer<0>, multiply_outer<1>, multiply_outer<2>,
                                                       multiply_outer<3>, multiply_outer<4>};
  const auto multiply = kOfUnits[s.units < static_cast<int64_t>(std::size(kOfUnits)) ? s.units : 0];
  return [=](const Invocation& v) {
    for (int64_t batch = 0; batch < s.batches; ++batch) {
      const auto [l, r] = s.matrices(batch);
      multiply(v.in<float>(0) + l * s.rows, v.in<float>(1) + r * s.units, s.rows, s.units,
               v.out<float>(0) + batch * s.rows * s.units);
    }
  };
}

// Few rows: the right side, [units, depth], is read once.
Compute dots(Preparation& p, const FloatGemm* gemm, const MatmulSizes& s) {
  const LeftSide left(p, s);
  return [=](const Invocation& v) {
    const float* rows = left.ready(v);
    const auto one = [&](int64_t batch) {
      const auto [l, r] = s.matrices(batch);
      return FloatDots{{rows + l * s.rows * s.depth, s.rows, s.depth, 1, s.depth, 0},
                       v.in<float>(1) + r * s.units * s.depth,
                       s.depth,
                       s.units,
                       result_at(v.out<float>(0) + batch * s.rows * s.units, s.units)};
    };
    if (s.batches >= v.threads()) {
      v.parallel(s.batches, grain_of_products(s.rows * s.units * s.depth), [&](int64_t begin, int64_t end) {
        for (int64_t batch = begin; batch < end; ++batch) gemm->multiply_dots(one(batch));
      });
      return;
    }
    for (int64_t batch = 0; batch < s.batches; ++batch)
      parallel_product(v, s.rows, s.units, s.depth,
                       [&](auto... part) { gemm->multiply_dots(part_of(one(batch), part...)); });
  };
}

// The right side packed: matrices that are the same on every run once, others when their turn comes, by each thread in
// memory of its own.
Compute products(Preparation& p, const FloatGemm* gemm, const MatmulSizes& s) {
  const ColumnsLie lie = s.right_transposed ? ColumnsLie::in_rows : ColumnsLie::in_columns;
  const LeftSide left(p, s);
  const int64_t packed = packed_floats(s.units, s.depth), pieces = p.threads();
  const bool by_batches = s.batches >= pieces && !p.input(1).is_constant() && s.right_matrices == s.batches;
  const int scratch = by_batches ? p.scratch(pieces * packed * kFloat) : -1;
  const auto weights =
      by_batches ? nullptr : std::make_shared<FloatWeights>(p, gemm, 1, s.right_matrices, s.units, s.depth, lie);
  return [=](const Invocation& v) {
    const float* rows = left.ready(v);
    const auto one = [&](int64_t batch, const float* right) {
      return FloatProduct{{rows + s.matrices(batch).first * s.rows * s.depth, s.rows, s.depth, 1, s.depth, 0},
                          right,
                          kFloatSlice * s.depth,
                          s.units,
                          result_at(v.out<float>(0) + batch * s.rows * s.units, s.units)};
    };
    if (by_batches) {
      const int64_t products = s.batches * s.rows * s.units * s.depth / pieces;
      v.parallel(pieces, grain_of_products(products), [&](int64_t first, int64_t last) {
        float* right = v.scratch<float>(scratch) + first * packed;
        for (int64_t batch = s.batches * first / pieces; batch < s.batches * last / pieces; ++batch) {
          const float* from = v.in<float>(1) + s.matrices(batch).second * s.units * s.depth;
          pack_float_columns(*gemm, lie, from, s.units, s.depth, right);
          gemm->multiply(one(batch, right));
        }
      });
      return;
    }
    const float* right = weights->ready(v);
    for (int64_t batch = 0; batch < s.batches; ++batch) {
      const FloatProduct all = one(batch, right + s.matrices(batch).second * packed);
      parallel_product(v, s.rows, s.units, s.depth, [&](auto... part) { gemm->multiply(part_of(all, part...)); });
    }
  };
}

// Batches that share their right side are rows of one product.
MatmulSizes joined(MatmulSizes s) {
  if (s.right_matrices != 1 || s.left_matrices != s.batches || s.left_transposed) return s;
  s.rows *= s.batches;
  s.batches = s.left_matrices = 1;
  s.batch_dims = 0;
  return s;
}

}  // namespace

Compute fast_matmul_float(Preparation& p, const MatmulSizes& sizes) {
  constexpr int64_t kFewRows = 3, kDeep = 32;
  const FloatGemm* gemm = float_gemm();
  const MatmulSizes s = joined(sizes);
  if (!gemm || s.depth == 0) return {};
  if (s.depth == 1) return outer_products(s);
  if (s.right_transposed && s.rows <= kFewRows && s.depth >= kDeep) return dots(p, gemm, s);
  return products(p, gemm, s);
}

}  // namespace subgraft
