#include "micro/image_lanes_avx512.h"
// The lanes come first.
#include "micro/pool_body.h"

namespace subgraft {

const PoolKernel* pool_avx512() { return &kPool; }

}  // namespace subgraft
