#include "micro/gemm_int8.h"

#include "micro/finish_sums.h"
#include "micro/variants.h"

namespace subgraft {

const Int8Gemm* int8_gemm_avx2();
const Int8Gemm* int8_gemm_avxvnni();
const Int8Gemm* int8_gemm_avx512vnni();
const Int8Gemm* int8_gemm_amx();
const Int8Gemm* int8_gemm_neon();
const Int8Gemm* int8_gemm_dotprod();
const Int8Gemm* int8_gemm_i8mm();
const FinishSums* finish_sums_avx2();
const FinishSums* finish_sums_avx512();
const FinishSums* finish_sums_neon();

namespace {

constexpr Variant<Int8Gemm> kInt8Gemms[] = {
    {InstructionSet::generic, [] { return static_cast<const Int8Gemm*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
    {InstructionSet::avx2, int8_gemm_avx2},
#endif
#if defined(SUBGRAFT_AVXVNNI)
    {InstructionSet::avxvnni, int8_gemm_avxvnni},
#endif
#if defined(SUBGRAFT_AVX512VNNI)
    {InstructionSet::avx512vnni, int8_gemm_avx512vnni},
#endif
#if defined(SUBGRAFT_AMX)
    {InstructionSet::amx, int8_gemm_amx},
#endif
#if defined(SUBGRAFT_NEON)
    {InstructionSet::neon, int8_gemm_neon},
#endif
#if defined(SUBGRAFT_DOTPROD)
    {InstructionSet::dotprod, int8_gemm_dotprod},
#endif
#if defined(SUBGRAFT_I8MM)
    {InstructionSet::i8mm, int8_gemm_i8mm},
#endif
};

constexpr Variant<FinishSums> kFinishSums[] = {
    {InstructionSet::generic, [] { return static_cast<const FinishSums*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
    {InstructionSet::avx2, finish_sums_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
    {InstructionSet::avx512, finish_sums_avx512},
#endif
#if defined(SUBGRAFT_NEON)
    {InstructionSet::neon, finish_sums_neon},
#endif
};

}  // namespace

const Int8Gemm* int8_gemm() { return best(kInt8Gemms); }
const FinishSums* finish_sums() { return best(kFinishSums); }

}  // namespace subgraft
