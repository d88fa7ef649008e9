#include "micro/image_lanes_neon.h"
// The lanes come first.
#include "micro/pool_body.h"

namespace subgraft {

const PoolKernel* pool_neon();

const PoolKernel* pool_neon() { return &kPool; }

}  // namespace subgraft
