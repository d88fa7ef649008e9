// Quantizing float vectors while running, for the kernels whose weights are 8 bits and whose activations are floats.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/fixed_point.h"

namespace subgraft {

struct DynamicRange {
  float scale = 1;
  int32_t zero_point = 0;
};

// Scaled so that the largest magnitude becomes 127.
inline DynamicRange quantize_symmetric(const float* values, int64_t count, int8_t* quantized) {
  float magnitude = 0;
  for (int64_t i = 0; i < count; ++i) magnitude = std::max(magnitude, std::abs(values[i]));
  const float inverse = magnitude == 0 ? 0 : 127 / magnitude;
  for (int64_t i = 0; i < count; ++i) quantized[i] = std::max<int8_t>(round_to<int8_t>(values[i] * inverse), -127);
  return {magnitude == 0 ? 1 : magnitude / 127, 0};
}

// Scaled so that the range of the values and zero fills -128 to 127.
inline DynamicRange quantize_asymmetric(const float* values, int64_t count, int8_t* quantized) {
  float low = 0, high = 0;
  for (int64_t i = 0; i < count; ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
  if (low == high) {
    std::fill(quantized, quantized + count, int8_t{0});
    return {};
  }
  const double scale = (static_cast<double>(high) - static_cast<double>(low)) / 255;
  const double from_low = -128 - low / scale, from_high = 127 - high / scale;
  // The end of the range that is nearer to zero gives the smaller error.
  const double zero_point = 128 + std::abs(low / scale) < 127 + std::abs(high / scale) ? from_low : from_high;
  const DynamicRange range{static_cast<float>(scale), round_to<int8_t>(zero_point)};
  const float inverse = 1 / range.scale;
  for (int64_t i = 0; i < count; ++i)
    quantized[i] = round_to<int8_t>(static_cast<float>(range.zero_point) + values[i] * inverse);
  return range;
}

}  // namespace subgraft
