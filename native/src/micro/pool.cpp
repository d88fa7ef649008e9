#include "micro/pool.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const PoolKernel* pool_avx2();
#endif
#if defined(SUBGRAFT_AVX512)
const PoolKernel* pool_avx512();
#endif

const PoolKernel* pool_kernel() {
#if defined(SUBGRAFT_AVX2)
  static constexpr Variant<PoolKernel> variants[] = {
      {InstructionSet::avx2, pool_avx2},
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, pool_avx512},
#endif
  };
  return best(variants);
#else
  return nullptr;
#endif
}

}  // namespace subgraft
