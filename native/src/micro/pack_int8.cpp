#include "micro/pack_int8.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const PackInt8* pack_int8_avx2();
#endif
#if defined(SUBGRAFT_NEON)
const PackInt8* pack_int8_neon();
#endif

namespace {

constexpr Variant<PackInt8> kVariants[] = {
    {InstructionSet::generic, [] { return static_cast<const PackInt8*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
    {InstructionSet::avx2, pack_int8_avx2},
#endif
#if defined(SUBGRAFT_NEON)
    {InstructionSet::neon, pack_int8_neon},
#endif
};

}  // namespace

const PackInt8* pack_int8() { return best(kVariants); }

}  // namespace subgraft
