#include "micro/transpose.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const Transposes* transposes_avx2();

const Transposes* transposes() {
  static constexpr Variant<Transposes> variants[] = {{InstructionSet::avx2, transposes_avx2}};
  return best(variants);
}
#else
const Transposes* transposes() { return nullptr; }
#endif

}  // namespace subgraft
