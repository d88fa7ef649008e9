#include "micro/depthwise_float.h"
#include "micro/depthwise_quantized.h"
#include "micro/variants.h"

namespace subgraft {

const QuantizedDepthwiseKernel* quantized_depthwise_avx2();
const QuantizedDepthwiseKernel* quantized_depthwise_avxvnni();
const QuantizedDepthwiseKernel* quantized_depthwise_avx512();
const QuantizedDepthwiseKernel* quantized_depthwise_avx512vnni();
const QuantizedDepthwiseKernel* quantized_depthwise_neon();
const QuantizedDepthwiseKernel* quantized_depthwise_dotprod();
const QuantizedDepthwiseKernel* quantized_depthwise_i8mm();
const FloatDepthwiseKernel* float_depthwise_avx2();
const FloatDepthwiseKernel* float_depthwise_avx512();
const FloatDepthwiseKernel* float_depthwise_neon();

const QuantizedDepthwiseKernel* quantized_depthwise(int32_t largest_weight) {
  static constexpr Variant<QuantizedDepthwiseKernel> paired[] = {
      {InstructionSet::generic, [] { return static_cast<const QuantizedDepthwiseKernel*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, quantized_depthwise_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, quantized_depthwise_avx512},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, quantized_depthwise_neon},
#endif
  };
  static constexpr Variant<QuantizedDepthwiseKernel> variants[] = {
      {InstructionSet::generic, [] { return static_cast<const QuantizedDepthwiseKernel*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, quantized_depthwise_avx2},
#endif
#if defined(SUBGRAFT_AVXVNNI)
      {InstructionSet::avxvnni, quantized_depthwise_avxvnni},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, quantized_depthwise_avx512},
#endif
#if defined(SUBGRAFT_AVX512VNNI)
      {InstructionSet::avx512vnni, quantized_depthwise_avx512vnni},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, quantized_depthwise_neon},
#endif
#if defined(SUBGRAFT_DOTPROD)
      {InstructionSet::dotprod, quantized_depthwise_dotprod},
#endif
#if defined(SUBGRAFT_I8MM)
      {InstructionSet::i8mm, quantized_depthwise_i8mm},
#endif
  };
  return largest_weight > kDepthwiseLargestWeight ? best(paired) : best(variants);
}

const FloatDepthwiseKernel* float_depthwise(int32_t channels) {
  constexpr int32_t kNarrow = 8;  // lanes of AVX2, of which all are used then
  static constexpr Variant<FloatDepthwiseKernel> narrow[] = {
      {InstructionSet::generic, [] { return static_cast<const FloatDepthwiseKernel*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, float_depthwise_avx2},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, float_depthwise_neon},
#endif
  };
  static constexpr Variant<FloatDepthwiseKernel> variants[] = {
      {InstructionSet::generic, [] { return static_cast<const FloatDepthwiseKernel*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, float_depthwise_avx2},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, float_depthwise_avx512},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, float_depthwise_neon},
#endif
  };
  return channels <= kNarrow ? best(narrow) : best(variants);
}

}  // namespace subgraft
