#include "micro/depthwise_lanes_neon.h"
// The lanes come first.
#include "micro/depthwise_float_body.h"

namespace subgraft {

const FloatDepthwiseKernel* float_depthwise_neon();

const FloatDepthwiseKernel* float_depthwise_neon() { return &kFloatDepthwise; }

}  // namespace subgraft
