#include "micro/image_lanes_avx2.h"
// The lanes come first.
#include "micro/pool_body.h"

namespace subgraft {

const PoolKernel* pool_avx2() { return &kPool; }

}  // namespace subgraft
