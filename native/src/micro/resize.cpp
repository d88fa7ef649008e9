#include "micro/resize.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const ResizeKernel* resize_avx2();
#endif
#if defined(SUBGRAFT_AVX512)
const ResizeKernel* resize_avx512();
#endif

const ResizeKernel* resize_kernel() {
#if defined(SUBGRAFT_AVX2)
  static constexpr Variant<ResizeKernel> variants[] = {
      {InstructionSet::avx2, resize_avx2},
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, resize_avx512},
#endif
  };
  return best(variants);
#else
  return nullptr;
#endif
}

}  // namespace subgraft
