#include "micro/reduce.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const Reductions* reductions_avx2();
#endif
#if defined(SUBGRAFT_AVX512)
const Reductions* reductions_avx512();
#endif
#if defined(SUBGRAFT_NEON)
const Reductions* reductions_neon();
#endif

namespace {

constexpr Variant<Reductions> kVariants[] = {
    {InstructionSet::generic, [] { return static_cast<const Reductions*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
    {InstructionSet::avx2, reductions_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
    {InstructionSet::avx512, reductions_avx512},
#endif
#if defined(SUBGRAFT_NEON)
    {InstructionSet::neon, reductions_neon},
#endif
};

}  // namespace

const Reductions* reductions() { return best(kVariants); }

}  // namespace subgraft
