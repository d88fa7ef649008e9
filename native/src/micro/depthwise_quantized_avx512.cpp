#include "micro/depthwise_lanes_avx512.h"
// The lanes come first.
#include "micro/depthwise_quantized_body.h"

namespace subgraft {

const QuantizedDepthwiseKernel* quantized_depthwise_avx512() { return &kQuantizedDepthwise; }

}  // namespace subgraft
