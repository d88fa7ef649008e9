#include "kernels/float_gemm.h"

#include "core/joined.h"
#include "micro/variants.h"
#include "runtime/packed_bytes.h"

namespace subgraft {
namespace {

template <typename Product>
void move_to(Product& p, int64_t row_begin, int64_t row_end, int64_t column_begin, int64_t column_end) {
  p.x.data += row_begin * p.x.step;
  p.x.count = row_end - row_begin;
  p.columns = column_end - column_begin;
  p.result.out += row_begin * p.result.step + column_begin;
  p.result.then = part_of(p.result.then, row_begin, p.result.step, column_begin);
  if (p.result.bias) p.result.bias += column_begin;
}

}  // namespace

const FloatGemm* float_gemm() {
  static constexpr Variant<FloatGemm> kVariants[] = {
      {InstructionSet::generic, [] { return static_cast<const FloatGemm*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, float_gemm_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, float_gemm_avx512},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, float_gemm_neon},
#endif
  };
  return best(kVariants);
}

void pack_float_columns(const FloatGemm& gemm, ColumnsLie lie, const float* weights, int64_t columns, int64_t depth,
                        float* packed) {
  if (lie == ColumnsLie::in_rows)
    gemm.pack_rows(weights, columns, depth, packed);
  else
    gemm.pack_columns(weights, columns, depth, packed);
}

FloatWeights::FloatWeights(Preparation& p, const FloatGemm* gemm, int input, int64_t matrices, int64_t columns,
                           int64_t depth, ColumnsLie lie)
    : gemm_(gemm), input_(input), matrices_(matrices), columns_(columns), depth_(depth), lie_(lie) {
  const int64_t bytes = matrices * matrix_step() * static_cast<int64_t>(sizeof(float));
  if (!p.input(input).is_constant()) {
    scratch_ = p.scratch(bytes);
    return;
  }
  const std::string_view kind = lie == ColumnsLie::in_rows ? "float slices of rows " : "float slices of columns ";
  packed_ = packed_bytes(p, input, joined(kind, matrices, "x", columns), bytes, [&](std::byte* to) {
    pack(reinterpret_cast<const float*>(p.input(input).constant), reinterpret_cast<float*>(to));
  });
  p.release(input);
}

void FloatWeights::pack(const float* weights, float* packed) const {
  for (int64_t m = 0; m < matrices_; ++m)
    pack_float_columns(*gemm_, lie_, weights + m * columns_ * depth_, columns_, depth_, packed + m * matrix_step());
}

const float* FloatWeights::ready(const Invocation& v) const {
  if (packed_) return reinterpret_cast<const float*>(packed_.get());
  pack(v.in<float>(input_), v.scratch<float>(scratch_));
  return v.scratch<float>(scratch_);
}

FloatProduct part_of(FloatProduct p, int64_t row_begin, int64_t row_end, int64_t column_begin, int64_t column_end) {
  move_to(p, row_begin, row_end, column_begin, column_end);
  p.weights += column_begin / kFloatSlice * p.slice_step;
  return p;
}

FloatDots part_of(FloatDots p, int64_t row_begin, int64_t row_end, int64_t column_begin, int64_t column_end) {
  move_to(p, row_begin, row_end, column_begin, column_end);
  p.weights += column_begin * p.column_step;
  return p;
}

}  // namespace subgraft
