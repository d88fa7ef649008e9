#include "micro/float_epilogue.h"

#include "micro/variants.h"

namespace subgraft {

const ApplyFloatEpilogue* float_epilogue_avx2();
const ApplyFloatEpilogue* float_epilogue_avx512();
const ApplyFloatEpilogue* float_epilogue_neon();

ApplyFloatEpilogue float_epilogue() {
  static constexpr Variant<ApplyFloatEpilogue> kVariants[] = {
      {InstructionSet::generic, [] { return static_cast<const ApplyFloatEpilogue*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, float_epilogue_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, float_epilogue_avx512},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, float_epilogue_neon},
#endif
  };
  const ApplyFloatEpilogue* found = best(kVariants);
  return found ? *found : nullptr;
}

}  // namespace subgraft
