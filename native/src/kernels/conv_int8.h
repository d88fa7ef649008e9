// CONV_2D, FULLY_CONNECTED and TRANSPOSE_CONV of 8-bit activations where the processor has kernels for them. Closures
// are empty where there are none for this op.
#pragma once

#include "kernels/convolution.h"
#include "kernels/fully_connected.h"
#include "kernels/int8_layer.h"
#include "kernels/transpose_conv_math.h"

namespace subgraft {

// Int8Scales::fixed has one multiplier for each channel.
Compute fast_conv_int8(Preparation& p, const ConvGeometry& g, const Int8Scales& scales);
Compute fast_transpose_conv_int8(Preparation& p, const TransposedGeometry& g, const Int8Scales& scales);

// With Int8Scales::real. w_zero: of the weights as they are stored.
Compute fast_fully_connected_int8(Preparation& p, const FullyConnectedSizes& s, int32_t w_zero,
                                  const Int8Scales& scales);

}  // namespace subgraft
