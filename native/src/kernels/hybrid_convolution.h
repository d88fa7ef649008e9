// CONV_2D of float32 images, quantized while running, with constant 8-bit weights on vectors.
#pragma once

#include <span>

#include "core/fixed_point.h"
#include "kernels/convolution.h"

namespace subgraft {

// asymmetric: images have zero points, and sums are scaled as DequantizeTwice of CONV_2D does it. Empty where there are
// no kernels for this op: weights or bias that are not constant, or weights of uint8.
Compute hybrid_convolution_on_vectors(Preparation& p, const ConvGeometry& g, std::span<const float> scales,
                                      bool asymmetric, Range<float> range);

}  // namespace subgraft
