#include "micro/blockwise.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const Blockwise* blockwise_avx2();
#endif
#if defined(SUBGRAFT_AVX512VNNI)
const Blockwise* blockwise_avx512vnni();
#endif

const Blockwise* blockwise() {
#if defined(SUBGRAFT_AVX2)
  static constexpr Variant<Blockwise> variants[] = {
      {InstructionSet::avx2, blockwise_avx2},
#if defined(SUBGRAFT_AVX512VNNI)
      {InstructionSet::avx512vnni, blockwise_avx512vnni},
#endif
  };
  return best(variants);
#else
  return nullptr;
#endif
}

}  // namespace subgraft
