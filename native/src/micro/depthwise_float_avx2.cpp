#include "micro/depthwise_lanes_avx2.h"
// The lanes come first.
#include "micro/depthwise_float_body.h"

namespace subgraft {

const FloatDepthwiseKernel* float_depthwise_avx2() { return &kFloatDepthwise; }

}  // namespace subgraft
