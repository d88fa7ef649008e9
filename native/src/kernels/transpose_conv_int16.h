// TRANSPOSE_CONV of int16 activations with int8 weights on vectors.
#pragma once

#include "kernels/transpose_conv_math.h"
#include "kernels/wide_products.h"

namespace subgraft {

// The op's inputs are its shape, the weights, the activations and the bias. Empty where the reference kernel has to do.
Compute transpose_conv_int16_on_vectors(Preparation& p, const TransposedGeometry& g, bool sums_in_32_bits,
                                        const std::vector<Multiplier>& multipliers, Range<int32_t> range);

}  // namespace subgraft
