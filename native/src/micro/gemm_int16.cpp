#include "micro/gemm_int16.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const Int16Gemm* int16_gemm_avx2();
const FinishWide* finish_wide_avx2();
#endif
#if defined(SUBGRAFT_AVX512)
const Int16Gemm* int16_gemm_avx512();
const FinishWide* finish_wide_avx512();
#endif
#if defined(SUBGRAFT_AVX512VNNI)
const Int16Gemm* int16_gemm_avx512vnni();
#endif

const Int16Gemm* int16_gemm() {
#if defined(SUBGRAFT_AVX2)
  static constexpr Variant<Int16Gemm> variants[] = {
      {InstructionSet::avx2, int16_gemm_avx2},
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, int16_gemm_avx512},
#endif
#if defined(SUBGRAFT_AVX512VNNI)
      {InstructionSet::avx512vnni, int16_gemm_avx512vnni},
#endif
  };
  return best(variants);
#else
  return nullptr;
#endif
}

const FinishWide* finish_wide() {
#if defined(SUBGRAFT_AVX2)
  static constexpr Variant<FinishWide> variants[] = {
      {InstructionSet::avx2, finish_wide_avx2},
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, finish_wide_avx512},
#endif
  };
  return best(variants);
#else
  return nullptr;
#endif
}

}  // namespace subgraft
