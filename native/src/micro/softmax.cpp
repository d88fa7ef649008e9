#include "micro/softmax.h"

#include "micro/variants.h"

namespace subgraft {

const SoftmaxRows* softmax_rows_avx2();
const SoftmaxRows* softmax_rows_avx512();
const SoftmaxRows* softmax_rows_neon();

const SoftmaxRows* softmax_rows() {
  static constexpr Variant<SoftmaxRows> variants[] = {
      {InstructionSet::generic, [] { return static_cast<const SoftmaxRows*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, softmax_rows_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, softmax_rows_avx512},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, softmax_rows_neon},
#endif
  };
  return best(variants);
}

}  // namespace subgraft
