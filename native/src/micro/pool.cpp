#include "micro/pool.h"

#include "micro/variants.h"

namespace subgraft {

const PoolKernel* pool_avx2();
const PoolKernel* pool_avx512();
const PoolKernel* pool_neon();

const PoolKernel* pool_kernel() {
  static constexpr Variant<PoolKernel> variants[] = {
      {InstructionSet::generic, [] { return static_cast<const PoolKernel*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, pool_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, pool_avx512},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, pool_neon},
#endif
  };
  return best(variants);
}

}  // namespace subgraft
