#include "micro/gemm_int16.h"

#include "micro/variants.h"

namespace subgraft {

const Int16Gemm* int16_gemm_avx2();
const Int16Gemm* int16_gemm_avx512();
const Int16Gemm* int16_gemm_avx512vnni();
const Int16Gemm* int16_gemm_neon();
const FinishWide* finish_wide_avx2();
const FinishWide* finish_wide_avx512();
const FinishWide* finish_wide_neon();

const Int16Gemm* int16_gemm() {
  static constexpr Variant<Int16Gemm> variants[] = {
      {InstructionSet::generic, [] { return static_cast<const Int16Gemm*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, int16_gemm_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, int16_gemm_avx512},
#endif
#if defined(SUBGRAFT_AVX512VNNI)
      {InstructionSet::avx512vnni, int16_gemm_avx512vnni},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, int16_gemm_neon},
#endif
  };
  return best(variants);
}

const FinishWide* finish_wide() {
  static constexpr Variant<FinishWide> variants[] = {
      {InstructionSet::generic, [] { return static_cast<const FinishWide*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, finish_wide_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, finish_wide_avx512},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, finish_wide_neon},
#endif
  };
  return best(variants);
}

}  // namespace subgraft
