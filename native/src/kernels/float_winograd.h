// CONV_2D of float32 by Winograd's transformation.
#pragma once

#include "kernels/convolution.h"
#include "kernels/float_followers.h"
#include "runtime/kernel.h"

namespace subgraft {

// Nothing where it cannot be used or would not win. Weights at input 1, bias, if any, at input 2.
// SUBGRAFT_WINOGRAD=never in the environment turns it off, =always takes it wherever it can be used.
Compute conv_by_winograd(Preparation& p, const ConvGeometry& g, const FloatFollowers& followers);

}  // namespace subgraft
