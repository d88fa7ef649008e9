// BATCH_MATMUL of float32, quantized row by row while running, by int8 on vectors.
#pragma once

#include <span>

#include "kernels/batch_matmul.h"

namespace subgraft {

// scales: one for each unit. Empty where there are no kernels for this op.
Compute matmul_hybrid_on_vectors(Preparation& p, const MatmulSizes& s, std::span<const float> scales, bool asymmetric);

}  // namespace subgraft
