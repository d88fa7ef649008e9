#include "micro/depthwise_float.h"
#include "micro/depthwise_quantized.h"
#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX512)
const QuantizedDepthwiseKernel* quantized_depthwise_avx512();
const FloatDepthwiseKernel* float_depthwise_avx512();
#endif
#if defined(SUBGRAFT_AVX512VNNI)
const QuantizedDepthwiseKernel* quantized_depthwise_avx512vnni();
#endif

const QuantizedDepthwiseKernel* quantized_depthwise(int32_t largest_weight) {
#if defined(SUBGRAFT_AVX512)
  static constexpr Variant<QuantizedDepthwiseKernel> paired[] = {
      {InstructionSet::avx512, quantized_depthwise_avx512},
  };
  if (largest_weight > kDepthwiseLargestWeight) return best(paired);
  static constexpr Variant<QuantizedDepthwiseKernel> variants[] = {
      {InstructionSet::avx512, quantized_depthwise_avx512},
#if defined(SUBGRAFT_AVX512VNNI)
      {InstructionSet::avx512vnni, quantized_depthwise_avx512vnni},
#endif
  };
  return best(variants);
#else
  (void)largest_weight;
  return nullptr;
#endif
}

const FloatDepthwiseKernel* float_depthwise() {
#if defined(SUBGRAFT_AVX512)
  static constexpr Variant<FloatDepthwiseKernel> variants[] = {
      {InstructionSet::avx512, float_depthwise_avx512},
  };
  return best(variants);
#else
  return nullptr;
#endif
}

}  // namespace subgraft
