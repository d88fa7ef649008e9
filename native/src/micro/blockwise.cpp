#include "micro/blockwise.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const Blockwise* blockwise_avx2();
#endif
#if defined(SUBGRAFT_AVX512VNNI)
const Blockwise* blockwise_avx512vnni();
#endif
#if defined(SUBGRAFT_NEON)
const Blockwise* blockwise_neon();
#endif
#if defined(SUBGRAFT_DOTPROD)
const Blockwise* blockwise_dotprod();
#endif
#if defined(SUBGRAFT_I8MM)
const Blockwise* blockwise_i8mm();
#endif

namespace {

constexpr Variant<Blockwise> kVariants[] = {
    {InstructionSet::generic, [] { return static_cast<const Blockwise*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
    {InstructionSet::avx2, blockwise_avx2},
#endif
#if defined(SUBGRAFT_AVX512VNNI)
    {InstructionSet::avx512vnni, blockwise_avx512vnni},
#endif
#if defined(SUBGRAFT_NEON)
    {InstructionSet::neon, blockwise_neon},
#endif
#if defined(SUBGRAFT_DOTPROD)
    {InstructionSet::dotprod, blockwise_dotprod},
#endif
#if defined(SUBGRAFT_I8MM)
    {InstructionSet::i8mm, blockwise_i8mm},
#endif
};

}  // namespace

const Blockwise* blockwise() { return best(kVariants); }

}  // namespace subgraft
