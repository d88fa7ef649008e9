#include "micro/image_lanes_avx512.h"
// The lanes come first.
#include "micro/resize_body.h"

namespace subgraft {

const ResizeKernel* resize_avx512() { return &kResize; }

}  // namespace subgraft
