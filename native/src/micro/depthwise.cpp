#include "micro/depthwise_float.h"
#include "micro/depthwise_quantized.h"
#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const QuantizedDepthwiseKernel* quantized_depthwise_avx2();
const FloatDepthwiseKernel* float_depthwise_avx2();
#endif
#if defined(SUBGRAFT_AVXVNNI)
const QuantizedDepthwiseKernel* quantized_depthwise_avxvnni();
#endif
#if defined(SUBGRAFT_AVX512)
const QuantizedDepthwiseKernel* quantized_depthwise_avx512();
const FloatDepthwiseKernel* float_depthwise_avx512();
#endif
#if defined(SUBGRAFT_AVX512VNNI)
const QuantizedDepthwiseKernel* quantized_depthwise_avx512vnni();
#endif

const QuantizedDepthwiseKernel* quantized_depthwise(int32_t largest_weight) {
#if defined(SUBGRAFT_AVX2)
  static constexpr Variant<QuantizedDepthwiseKernel> paired[] = {
      {InstructionSet::avx2, quantized_depthwise_avx2},
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, quantized_depthwise_avx512},
#endif
  };
  static constexpr Variant<QuantizedDepthwiseKernel> variants[] = {
      {InstructionSet::avx2, quantized_depthwise_avx2},
#if defined(SUBGRAFT_AVXVNNI)
      {InstructionSet::avxvnni, quantized_depthwise_avxvnni},
#endif
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, quantized_depthwise_avx512},
#endif
#if defined(SUBGRAFT_AVX512VNNI)
      {InstructionSet::avx512vnni, quantized_depthwise_avx512vnni},
#endif
  };
  return largest_weight > kDepthwiseLargestWeight ? best(paired) : best(variants);
#else
  (void)largest_weight;
  return nullptr;
#endif
}

const FloatDepthwiseKernel* float_depthwise() {
#if defined(SUBGRAFT_AVX2)
  static constexpr Variant<FloatDepthwiseKernel> variants[] = {
      {InstructionSet::avx2, float_depthwise_avx2},
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, float_depthwise_avx512},
#endif
  };
  return best(variants);
#else
  return nullptr;
#endif
}

}  // namespace subgraft
