// DEPTHWISE_CONV_2D on vectors, where the instruction sets in use have kernels for it.
#pragma once

#include "kernels/convolution.h"
#include "runtime/kernel.h"

namespace subgraft {

// Each is empty where the reference kernel has to do.
Compute fast_depthwise_float(Preparation& p, const ConvGeometry& g);
// int8, int16 and quantized float32 activations with signed weights, and uint8 with uint8.
Compute fast_depthwise_int8(Preparation& p, const ConvGeometry& g);
Compute fast_depthwise_int16(Preparation& p, const ConvGeometry& g);
Compute fast_depthwise_hybrid(Preparation& p, const ConvGeometry& g);
Compute fast_depthwise_uint8(Preparation& p, const ConvGeometry& g);

}  // namespace subgraft
