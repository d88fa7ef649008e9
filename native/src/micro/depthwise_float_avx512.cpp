#include "micro/depthwise_lanes_avx512.h"
// The lanes come first.
#include "micro/depthwise_float_body.h"

namespace subgraft {

const FloatDepthwiseKernel* float_depthwise_avx512() { return &kFloatDepthwise; }

}  // namespace subgraft
