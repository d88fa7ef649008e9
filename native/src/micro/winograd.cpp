#include "micro/winograd.h"

#include "micro/variants.h"

namespace subgraft {

const Winograd* winograd_avx2();
const Winograd* winograd_avx512();
const Winograd* winograd_neon();

const Winograd* winograd() {
  static constexpr Variant<Winograd> variants[] = {
      {InstructionSet::generic, [] { return static_cast<const Winograd*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, winograd_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, winograd_avx512},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, winograd_neon},
#endif
  };
  return best(variants);
}

}  // namespace subgraft
