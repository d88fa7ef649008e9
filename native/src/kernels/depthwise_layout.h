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

// What decides a layer's values.
struct DepthwiseSums {
  std::vector<int64_t> bias;  // of each channel, like the following
  std::vector<Multiplier> multipliers;
  std::vector<float> scales, real_bias;  // where outputs are float32, instead
  int32_t input_zero_point = 0, output_zero_point = 0;
  std::vector<int16_t> weights;  // [y][x][channel], zero points subtracted
  int32_t in_bytes = 1, out_bytes = 1;
  bool is_signed = true;
  Range<int32_t> range;
  Range<float> real_range;
};

// Empty where the kernel has no room for a filter of this size. Weights of up to 9 bits.
std::optional<QuantizedDepthwise> plan_depthwise(const ConvGeometry& g, const QuantizedDepthwiseKernel& kernel,
                                                 const DepthwiseSums& sums);

DepthwiseTable depthwise_table(const QuantizedDepthwise& layer, const QuantizedDepthwiseKernel& kernel,
                               const DepthwiseSums& sums);

}  // namespace subgraft
