#include "micro/resize.h"

#include "micro/variants.h"

namespace subgraft {

const ResizeKernel* resize_avx2();
const ResizeKernel* resize_avx512();
const ResizeKernel* resize_neon();

const ResizeKernel* resize_kernel() {
  static constexpr Variant<ResizeKernel> variants[] = {
      {InstructionSet::generic, [] { return static_cast<const ResizeKernel*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, resize_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, resize_avx512},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, resize_neon},
#endif
  };
  return best(variants);
}

}  // namespace subgraft
