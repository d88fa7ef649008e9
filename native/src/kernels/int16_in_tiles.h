// FULLY_CONNECTED of int16 activations with int8 weights where products of bytes are so much faster than those of 16
// bits that two of them are better than one: with tiles.
#pragma once

#include "kernels/fully_connected.h"
#include "kernels/wide_products.h"

namespace subgraft {

// Empty where there are no such kernels, or too few rows for them. The weights are constant.
Compute fc_int16_in_tiles(Preparation& p, const FullyConnectedSizes& s, const FinishInt16& finish);

}  // namespace subgraft
