#include "micro/softmax.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const SoftmaxRows* softmax_rows_avx2();
#endif
#if defined(SUBGRAFT_AVX512)
const SoftmaxRows* softmax_rows_avx512();
#endif

const SoftmaxRows* softmax_rows() {
#if defined(SUBGRAFT_AVX2)
  static constexpr Variant<SoftmaxRows> variants[] = {
      {InstructionSet::avx2, softmax_rows_avx2},
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, softmax_rows_avx512},
#endif
  };
  return best(variants);
#else
  return nullptr;
#endif
}

}  // namespace subgraft
