// CONV_2D and FULLY_CONNECTED of 8-bit activations where the processor has kernels for them.
#pragma once

#include "kernels/convolution.h"
#include "kernels/fully_connected.h"
#include "kernels/int8_layer.h"

namespace subgraft {

// Empty where there are no kernels for this op. Int8Scales::fixed has one multiplier for each channel.
Compute fast_conv_int8(Preparation& p, const ConvGeometry& g, const Int8Scales& scales);

// The same for FULLY_CONNECTED, with Int8Scales::real. w_zero: of the weights as they are stored.
Compute fast_fully_connected_int8(Preparation& p, const FullyConnectedSizes& s, int32_t w_zero,
                                  const Int8Scales& scales);

}  // namespace subgraft
