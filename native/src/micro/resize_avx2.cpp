#include "micro/image_lanes_avx2.h"
// The lanes come first.
#include "micro/resize_body.h"

namespace subgraft {

const ResizeKernel* resize_avx2() { return &kResize; }

}  // namespace subgraft
