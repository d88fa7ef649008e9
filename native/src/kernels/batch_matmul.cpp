// BATCH_MATMUL: float32, int8, int16 and float32 by int8, with broadcast batches and either side transposed.
#include "kernels/batch_matmul.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/batch_matmul_hybrid.h"
#include "kernels/batch_matmul_int16.h"
#include "kernels/batch_matmul_int8.h"
#include "kernels/dot.h"
#include "kernels/dynamic_range.h"
#include "kernels/families.h"
#include "kernels/float_gemm.h"
#include "kernels/requantize.h"

namespace subgraft {
namespace {

// Sets the output's shape. Of an empty result the sizes are not complete.
MatmulSizes matmul_sizes(Preparation& p) {
  const Shape &left = p.input(0).shape, &right = p.input(1).shape;
  p.require(left.rank() >= 2 && right.rank() >= 2, "shapes ", left.text(), " and ", right.text(), " are no matrices");
  MatmulSizes s;
  s.left_transposed = p.options().boolean("adj_x");
  s.right_transposed = p.options().boolean("adj_y");
  s.rows = left.back(s.left_transposed ? 0 : 1);
  s.depth = left.back(s.left_transposed ? 1 : 0);
  s.units = right.back(s.right_transposed ? 1 : 0);
  const int64_t right_depth = right.back(s.right_transposed ? 0 : 1);
  p.require(s.depth == right_depth, "cannot multiply ", left.text(), " by ", right.text());

  const int rank = std::max(left.rank(), right.rank());
  const Shape left_full = left.extended(rank), right_full = right.extended(rank);
  std::vector<int32_t> out(rank);
  for (int i = 0; i < rank - 2; ++i) {
    const int32_t l = left_full[i], r = right_full[i];
    p.require(l == r || l == 1 || r == 1, "cannot broadcast ", left.text(), " with ", right.text());
    out[i] = l == 1 ? r : l;
  }
  out[rank - 2] = static_cast<int32_t>(s.rows);
  out[rank - 1] = static_cast<int32_t>(s.units);
  const Shape shape(out);
  p.set_output(0, shape);
  s.elements = shape.elements();
  if (s.elements == 0) return s;
  s.batch_dims = rank - 2;
  for (int i = rank - 3; i >= 0; --i) {
    s.dims[i] = out[i];
    s.left_steps[i] = left_full[i] == 1 ? 0 : s.left_matrices;
    s.right_steps[i] = right_full[i] == 1 ? 0 : s.right_matrices;
    s.left_matrices *= left_full[i];
    s.right_matrices *= right_full[i];
    s.batches *= out[i];
  }
  return s;
}

template <typename T>
void transpose(const T* from, int64_t matrices, int64_t rows, int64_t columns, T* to) {
  for (int64_t m = 0; m < matrices; ++m, from += rows * columns, to += rows * columns)
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t r = 0; r < rows; ++r) to[c * rows + r] = from[r * columns + c];
}

// One side with its rows as the kernel wants them: `depth` neighbours each.
template <typename T>
class Side {
 public:
  // `columns` is the last dimension in the file.
  Side(Preparation& p, int input, bool needs_transpose, int64_t matrices, int64_t rows, int64_t columns)
      : input_(input), matrices_(matrices), rows_(rows), columns_(columns) {
    if (!needs_transpose) return;
    const int64_t count = matrices * rows * columns;
    if (p.input(input).is_constant()) {
      transposed_ = p.shared<std::vector<T>>(input, "transposed", [&] {
        std::vector<T> values(static_cast<size_t>(count));
        transpose(reinterpret_cast<const T*>(p.input(input).constant), matrices, rows, columns, values.data());
        return values;
      });
    } else {
      scratch_ = p.scratch(count * static_cast<int64_t>(sizeof(T)));
    }
  }

  const T* ready(const Invocation& v) const {
    if (transposed_) return transposed_->data();
    if (scratch_ < 0) return v.in<T>(input_);
    transpose(v.in<T>(input_), matrices_, rows_, columns_, v.scratch<T>(scratch_));
    return v.scratch<T>(scratch_);
  }

 private:
  int input_;
  int64_t matrices_, rows_, columns_;
  int scratch_ = -1;
  std::shared_ptr<const std::vector<T>> transposed_;
};

template <typename T>
Side<T> left_side(Preparation& p, const MatmulSizes& s) {
  return {p, 0, s.left_transposed, s.left_matrices, s.depth, s.rows};
}

template <typename T>
Side<T> right_side(Preparation& p, const MatmulSizes& s) {
  return {p, 1, !s.right_transposed, s.right_matrices, s.depth, s.units};
}

// product_of(row of the left side), finish(row of the left side, index of the output element, unit, sum).
template <typename Sum, typename X, typename W, typename ProductOf, typename Finish>
void multiply_batches(const Invocation& v, const MatmulSizes& s, const X* left, const W* right,
                      const ProductOf& product_of, const Finish& finish) {
  const auto one = [&](int64_t batch, const Tile& tile) {
    const auto [l, r] = s.matrices(batch);
    const int64_t first_row = l * s.rows, first_out = batch * s.rows * s.units;
    multiply<Sum>(
        left + first_row * s.depth, right + r * s.units * s.depth, s.depth, tile,
        [&](int64_t row) { return product_of(first_row + row); },
        [&](int64_t row, int64_t unit, Sum sum) {
          finish(first_row + row, first_out + row * s.units + unit, unit, sum);
        });
  };
  if (s.batches >= v.threads()) {
    v.parallel(s.batches, grain_of(s.rows * s.units * s.depth), [&](int64_t begin, int64_t end) {
      for (int64_t batch = begin; batch < end; ++batch) one(batch, Tile{0, s.rows, 0, s.units});
    });
  } else {
    for (int64_t batch = 0; batch < s.batches; ++batch)
      parallel_tiles(v, s.rows, s.units, s.depth, [&](const Tile& tile) { one(batch, tile); });
  }
}

Compute matmul_float(Preparation& p, const MatmulSizes& s) {
  if (Compute fast = fast_matmul_float(p, s)) return fast;
  const auto left = left_side<float>(p, s), right = right_side<float>(p, s);
  return [=](const Invocation& v) {
    float* out = v.out<float>(0);
    multiply_batches<float>(
        v, s, left.ready(v), right.ready(v), [](int64_t) { return RealProduct(); },
        [=](int64_t, int64_t at, int64_t, float sum) { out[at] = sum; });
  };
}

template <typename X, typename W, typename Accumulator, typename Product>
Compute matmul_quantized(Preparation& p, const MatmulSizes& s, Product product) {
  if (p.input(1).is_per_channel()) p.unsupported("a right side with a scale for each channel");
  const int max_shift = sizeof(Accumulator) == 8 ? kMaxWideShift : kMaxShift;
  const Multiplier multiplier = quantize_multiplier(effective_scale(p, 1), max_shift);
  const int32_t out_zero = p.output(0).zero_point();
  const auto range = output_range<X>(p, 0);
  if constexpr (sizeof(X) == 1)
    if (Compute fast = matmul_int8_on_vectors(p, s, multiplier, range)) return fast;
  if constexpr (sizeof(X) == 2)
    if (Compute fast = matmul_int16_on_vectors(p, s, multiplier, range)) return fast;
  const auto left = left_side<X>(p, s);
  const auto right = right_side<W>(p, s);
  return [=](const Invocation& v) {
    const Requantize<X, Accumulator> finish{&multiplier, nullptr, out_zero, range, v.out<X>(0)};
    multiply_batches<SumOf<Accumulator>>(
        v, s, left.ready(v), right.ready(v), [=](int64_t) { return product; },
        [=](int64_t, int64_t at, int64_t, SumOf<Accumulator> sum) { finish(at, 0, sum); });  // one multiplier for all
  };
}

Compute matmul_int8(Preparation& p, const MatmulSizes& s) {
  const BothCenteredProduct<int8_t, int8_t> product{static_cast<int16_t>(p.input(0).zero_point()),
                                                    static_cast<int16_t>(p.input(1).zero_point())};
  return matmul_quantized<int8_t, int8_t, int32_t>(p, s, product);
}

template <typename W>
Compute matmul_int16(Preparation& p, const MatmulSizes& s) {
  p.require(p.input(0).zero_point() == 0 && p.input(1).zero_point() == 0 && p.output(0).zero_point() == 0,
            "16-bit activations need the zero point 0");
  return matmul_quantized<int16_t, W, int64_t>(p, s, WideProduct<int16_t, W>());
}

// The bare sums, without zero points.
Compute matmul_int32(Preparation& p, const MatmulSizes& s) {
  const auto left = left_side<int8_t>(p, s), right = right_side<int8_t>(p, s);
  return [=](const Invocation& v) {
    int32_t* out = v.out<int32_t>(0);
    multiply_batches<uint32_t>(
        v, s, left.ready(v), right.ready(v), [](int64_t) { return CenteredProduct<int8_t>(); },
        [=](int64_t, int64_t at, int64_t, uint32_t sum) { out[at] = static_cast<int32_t>(sum); });
  };
}

// Every row of the left side is quantized by itself.
Compute matmul_hybrid(Preparation& p, const MatmulSizes& s) {
  const bool asymmetric = p.options().boolean("asymmetric_quantize_inputs");
  const std::vector<float> scales =
      channel_scales(p, 1, p.input(1).shape.rank() - (s.right_transposed ? 2 : 1), s.units);
  if (Compute fast = matmul_hybrid_on_vectors(p, s, scales, asymmetric)) return fast;
  const auto left = left_side<float>(p, s);
  const auto right = right_side<int8_t>(p, s);
  const int64_t rows = s.left_matrices * s.rows;
  const int quantized = p.scratch(rows * s.depth);
  const int ranges = p.scratch(rows * static_cast<int64_t>(sizeof(DynamicRange)));
  return [=](const Invocation& v) {
    const float* from = left.ready(v);
    int8_t* in = v.scratch<int8_t>(quantized);
    DynamicRange* q = v.scratch<DynamicRange>(ranges);
    v.parallel(rows, grain_of(s.depth), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float* row = from + r * s.depth;
        int8_t* to = in + r * s.depth;
        q[r] = asymmetric ? quantize_asymmetric(row, s.depth, to) : quantize_symmetric(row, s.depth, to);
      }
    });
    multiply_batches<uint32_t>(
        v, s, in, right.ready(v),
        [=](int64_t row) { return CenteredProduct<int8_t>{static_cast<int16_t>(q[row].zero_point)}; },
        [&](int64_t row, int64_t at, int64_t unit, uint32_t sum) {
          const Dequantize finish{scales.data(), q[row].scale, nullptr, {}, v.out<float>(0)};
          finish(at, unit, sum);
        });
  };
}

Compute prepare_batch_matmul(Preparation& p) {
  p.expect(2, 1);
  const MatmulSizes s = matmul_sizes(p);
  if (s.elements == 0) return [](const Invocation&) {};
  const DType left = p.input(0).dtype, right = p.input(1).dtype, out = p.output(0).dtype;
  if (left == DType::float32 && out == left) {
    if (right == DType::float32) return matmul_float(p, s);
    if (right == DType::int8) return matmul_hybrid(p, s);
  }
  if (left == DType::int8 && right == left && out == left) return matmul_int8(p, s);
  if (left == DType::int8 && right == left && out == DType::int32) return matmul_int32(p, s);
  if (left == DType::int16 && right == left && out == left) return matmul_int16<int16_t>(p, s);
  if (left == DType::int16 && right == DType::int8 && out == left) return matmul_int16<int8_t>(p, s);
  p.unsupported(dtype_name(left), " by ", dtype_name(right), " to ", dtype_name(out));
}

}  // namespace

void register_batch_matmul(Registry& registry) { registry.add("BATCH_MATMUL", prepare_batch_matmul); }

}  // namespace subgraft
