#include "micro/elementwise.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const Elementwise* elementwise_avx2();
#endif
#if defined(SUBGRAFT_AVX512)
const Elementwise* elementwise_avx512();
const Elementwise* elementwise_avx512vnni();  // the same but for what its processors may have besides
#endif
#if defined(SUBGRAFT_NEON)
const Elementwise* elementwise_neon();
#endif

namespace {

constexpr Variant<Elementwise> kVariants[] = {
    {InstructionSet::generic, [] { return static_cast<const Elementwise*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
    {InstructionSet::avx2, elementwise_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
    {InstructionSet::avx512, elementwise_avx512},
    {InstructionSet::avx512vnni, elementwise_avx512vnni},
#endif
#if defined(SUBGRAFT_NEON)
    {InstructionSet::neon, elementwise_neon},
#endif
};

}  // namespace

const Elementwise* elementwise() { return best(kVariants); }

}  // namespace subgraft
