#include "micro/quantize_rows.h"

#include "micro/variants.h"

namespace subgraft {

const QuantizeRows* quantize_rows_avx2();
const QuantizeRows* quantize_rows_avx512();
const QuantizeRows* quantize_rows_neon();

const QuantizeRows* quantize_rows() {
  static constexpr Variant<QuantizeRows> variants[] = {
      {InstructionSet::generic, [] { return static_cast<const QuantizeRows*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, quantize_rows_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, quantize_rows_avx512},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, quantize_rows_neon},
#endif
  };
  return best(variants);
}

}  // namespace subgraft
