// BATCH_MATMUL of int16 by int16 or int8 on vectors.
#pragma once

#include "core/fixed_point.h"
#include "kernels/batch_matmul.h"

namespace subgraft {

// Empty where there are no kernels for this op. The op is checked already: zero points are 0.
Compute matmul_int16_on_vectors(Preparation& p, const MatmulSizes& s, Multiplier multiplier, Range<int32_t> range);

}  // namespace subgraft
