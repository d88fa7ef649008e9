// BATCH_MATMUL of int8 on vectors.
#pragma once

#include "core/fixed_point.h"
#include "kernels/batch_matmul.h"

namespace subgraft {

// Empty where there are no kernels for this op. The op is checked already.
Compute matmul_int8_on_vectors(Preparation& p, const MatmulSizes& s, Multiplier multiplier, Range<int32_t> range);

}  // namespace subgraft
