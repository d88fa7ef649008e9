#include "micro/depthwise_lanes_neon.h"
// The lanes come first.
#include "micro/depthwise_quantized_body.h"

namespace subgraft {

const QuantizedDepthwiseKernel* quantized_depthwise_i8mm();

const QuantizedDepthwiseKernel* quantized_depthwise_i8mm() { return &kQuantizedDepthwise; }

}  // namespace subgraft
