#include "micro/transpose.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const Transposes* transposes_avx2();
#endif
#if defined(SUBGRAFT_NEON)
const Transposes* transposes_neon();
#endif

namespace {

constexpr Variant<Transposes> kVariants[] = {
    {InstructionSet::generic, [] { return static_cast<const Transposes*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
    {InstructionSet::avx2, transposes_avx2},
#endif
#if defined(SUBGRAFT_NEON)
    {InstructionSet::neon, transposes_neon},
#endif
};

}  // namespace

const Transposes* transposes() { return best(kVariants); }

}  // namespace subgraft
