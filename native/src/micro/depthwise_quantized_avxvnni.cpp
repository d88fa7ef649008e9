#include "micro/depthwise_lanes_avx2.h"
// The lanes come first.
#include "micro/depthwise_quantized_body.h"

namespace subgraft {

const QuantizedDepthwiseKernel* quantized_depthwise_avxvnni() { return &kQuantizedDepthwise; }

}  // namespace subgraft
