#include "micro/find_best.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const FindBest* find_best_avx2();

const FindBest* find_best_kernels() {
  static constexpr Variant<FindBest> variants[] = {{InstructionSet::avx2, find_best_avx2}};
  return best(variants);
}
#else
const FindBest* find_best_kernels() { return nullptr; }
#endif

}  // namespace subgraft
