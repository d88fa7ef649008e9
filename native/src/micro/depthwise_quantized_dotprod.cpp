#include "micro/depthwise_lanes_neon.h"
// The lanes come first.
#include "micro/depthwise_quantized_body.h"

namespace subgraft {

const QuantizedDepthwiseKernel* quantized_depthwise_dotprod();

const QuantizedDepthwiseKernel* quantized_depthwise_dotprod() { return &kQuantizedDepthwise; }

}  // namespace subgraft
