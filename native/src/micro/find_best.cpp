#include "micro/find_best.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const FindBest* find_best_avx2();
#endif
#if defined(SUBGRAFT_NEON)
const FindBest* find_best_neon();
#endif

namespace {

constexpr Variant<FindBest> kVariants[] = {
    {InstructionSet::generic, [] { return static_cast<const FindBest*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
    {InstructionSet::avx2, find_best_avx2},
#endif
#if defined(SUBGRAFT_NEON)
    {InstructionSet::neon, find_best_neon},
#endif
};

}  // namespace

const FindBest* find_best_kernels() { return best(kVariants); }

}  // namespace subgraft
