// How a DEPTHWISE_CONV_2D with 8-bit weights is divided for micro/depthwise_quantized.h, and its table of parameters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/fixed_point.h"
#include "kernels/convolution.h"
#include "micro/depthwise_quantized.h"

namespace subgraft {

// 64-byte aligned memory for whole vectors.
struct alignas(64) TableLine {
  std::byte bytes[64];
};
using DepthwiseTable = std::vector<TableLine>;

// What turns a layer's sums into outputs of 8 bits.
struct DepthwiseSums {
  std::vector<int32_t> bias;  // of each channel
  std::vector<Multiplier> multipliers;
  int32_t input_zero_point = 0;
  std::vector<int16_t> weights;  // [y][x][channel], zero points subtracted
};

// Empty where the kernel has no room for a filter of this size. Weights up to 9 bits.
std::optional<QuantizedDepthwise> plan_depthwise(const ConvGeometry& g, const QuantizedDepthwiseKernel& kernel,
                                                 const DepthwiseSums& sums, bool is_signed, int32_t zero_point,
                                                 Range<int32_t> range);

DepthwiseTable depthwise_table(const QuantizedDepthwise& layer, const QuantizedDepthwiseKernel& kernel,
                               const DepthwiseSums& sums);

}  // namespace subgraft
