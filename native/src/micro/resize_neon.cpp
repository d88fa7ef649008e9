#include "micro/image_lanes_neon.h"
// The lanes come first.
#include "micro/resize_body.h"

namespace subgraft {

const ResizeKernel* resize_neon();

const ResizeKernel* resize_neon() { return &kResize; }

}  // namespace subgraft
