#include "micro/quantize_rows.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const QuantizeRows* quantize_rows_avx2();
#endif
#if defined(SUBGRAFT_AVX512)
const QuantizeRows* quantize_rows_avx512();
#endif

const QuantizeRows* quantize_rows() {
#if defined(SUBGRAFT_AVX2)
  static constexpr Variant<QuantizeRows> variants[] = {
      {InstructionSet::avx2, quantize_rows_avx2},
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, quantize_rows_avx512},
#endif
  };
  return best(variants);
#else
  return nullptr;
#endif
}

}  // namespace subgraft
