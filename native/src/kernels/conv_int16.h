// CONV_2D and FULLY_CONNECTED of int16 activations with int8 weights on vectors.
#pragma once

#include "kernels/convolution.h"
#include "kernels/fully_connected.h"
#include "kernels/wide_products.h"

namespace subgraft {

// Null where the reference kernel has to do: weights or bias that are not constant, sizes without bounds, or a machine
// without vectors. The op is checked already.
Compute conv_int16_on_vectors(Preparation& p, const ConvGeometry& g, bool sums_in_32_bits,
                              const std::vector<Multiplier>& multipliers, Range<int32_t> range);
Compute fc_int16_on_vectors(Preparation& p, const FullyConnectedSizes& s, bool sums_in_32_bits,
                            const std::vector<double>& scales, Range<int32_t> range);

}  // namespace subgraft
