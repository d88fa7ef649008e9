#include "micro/depthwise_lanes_avx512.h"
// The lanes come first.
#include "micro/depthwise_quantized_body.h"

#if defined(__GNUC__) && !defined(__clang__)
// The values that intrinsics leave undefined on purpose.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace subgraft {

const QuantizedDepthwiseKernel* quantized_depthwise_avx512() { return &kQuantizedDepthwise; }

}  // namespace subgraft
