#include "kernels/float_gemm.h"

#include "micro/variants.h"

namespace subgraft {
namespace {

template <typename Product>
void move_to(Product& p, int64_t row_begin, int64_t row_end, int64_t column_begin, int64_t column_end) {
  p.x.data += row_begin * p.x.step;
  p.x.count = row_end - row_begin;
  p.columns = column_end - column_begin;
  p.result.out += row_begin * p.result.step + column_begin;
  if (p.result.bias) p.result.bias += column_begin;
}

}  // namespace

const FloatGemm* float_gemm() {
#if defined(SUBGRAFT_AVX2)
  static constexpr Variant<FloatGemm> kVariants[] = {
      {InstructionSet::avx2, float_gemm_avx2},
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, float_gemm_avx512},
#endif
  };
  return best(kVariants);
#else
  return nullptr;
#endif
}

void pack_float_columns(const float* weights, int64_t columns, int64_t depth, int64_t step, float* packed) {
  for (int64_t first = 0; first < columns; first += kFloatSlice, packed += kFloatSlice * depth) {
    const int64_t lanes = std::min<int64_t>(kFloatSlice, columns - first);
    const float* from = weights + first * step;
    for (int64_t k = 0; k < depth; ++k) {
      float* to = packed + k * kFloatSlice;
      for (int64_t lane = 0; lane < lanes; ++lane) to[lane] = from[lane * step + k];
      std::fill(to + lanes, to + kFloatSlice, 0.0f);
    }
  }
}

FloatWeights::FloatWeights(Preparation& p, int input, int64_t groups, int64_t columns, int64_t depth)
    : input_(input), groups_(groups), columns_(columns), depth_(depth) {
  const int64_t bytes = groups * group_step() * static_cast<int64_t>(sizeof(float));
  if (!p.input(input).is_constant()) {
    scratch_ = p.scratch(bytes);
    return;
  }
  packed_ = p.shared<Arena>(input, concat("float slices of ", columns), [&] {
    Arena packed(bytes);
    pack(reinterpret_cast<const float*>(p.input(input).constant), reinterpret_cast<float*>(packed.data()));
    return packed;
  });
}

void FloatWeights::pack(const float* weights, float* packed) const {
  for (int64_t group = 0; group < groups_; ++group)
    pack_float_columns(weights + group * columns_ * depth_, columns_, depth_, depth_, packed + group * group_step());
}

const float* FloatWeights::ready(const Invocation& v) const {
  if (packed_) return reinterpret_cast<const float*>(packed_->data());
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
