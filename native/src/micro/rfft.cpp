#include "micro/rfft.h"

#include "micro/variants.h"

namespace subgraft {

const RealTransform* real_transform_avx2();
const RealTransform* real_transform_avx512();
const RealTransform* real_transform_neon();

const RealTransform* real_transform() {
  static constexpr Variant<RealTransform> variants[] = {
      {InstructionSet::generic, [] { return static_cast<const RealTransform*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, real_transform_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, real_transform_avx512},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, real_transform_neon},
#endif
  };
  return best(variants);
}

}  // namespace subgraft
