// Products of float32 activations, quantized row by row or image by image while running, with constant 8-bit weights on
// vectors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/fixed_point.h"
#include "runtime/kernel.h"

namespace subgraft {

// x [rows, depth] times the transpose of weights [units, depth] at input 1, with the bias, if any, at input 2.
struct HybridSizes {
  int64_t rows = 0, units = 0, depth = 0;
  int64_t image_rows = 1;  // that many rows, one behind the other, are quantized with one range
  bool twice = false;      // as DequantizeTwice of CONV_2D rounds
};

// Empty where there are no kernels for this op: weights or bias that are not constant, or of uint8.
Compute hybrid_product_on_vectors(Preparation& p, const HybridSizes& s, std::span<const float> scales, bool asymmetric,
                                  Range<float> range);

}  // namespace subgraft
