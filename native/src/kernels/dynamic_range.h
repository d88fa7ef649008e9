// Quantizing float vectors while running, for the kernels whose weights are 8 bits and whose activations are floats.
// The order of roundings is that of TFLite's vectorized code, which its reference kernels call too: a value next to a
// tie that fell to the other side would show in the result.
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

// Nearest integer, ties away from zero, for |x| < 1000; something for any other.
inline int32_t nearest(float x) {
  const float bounded = std::min(1000.f, std::max(-1000.f, x));  // this order turns NaN into a number
  return static_cast<int32_t>(bounded + (bounded < 0 ? -0.5f : 0.5f));
}

// Scaled so that the largest magnitude becomes 127.
inline DynamicRange symmetric_range(float magnitude) { return {magnitude == 0 ? 1 : magnitude / 127, 0}; }

inline DynamicRange quantize_symmetric(const float* values, int64_t count, int8_t* quantized) {
  float magnitude = 0;
  for (int64_t i = 0; i < count; ++i) magnitude = std::max(magnitude, std::abs(values[i]));
  const float inverse = magnitude == 0 ? 0 : 127 / magnitude;
  for (int64_t i = 0; i < count; ++i)
    quantized[i] = static_cast<int8_t>(std::clamp(nearest(values[i] * inverse), -127, 127));
  return symmetric_range(magnitude);
}

// Scaled so that the range of the values and zero fills -128 to 127. low <= 0 <= high
inline DynamicRange asymmetric_range(float low, float high) {
  if (low == high) return {};
  const double scale = static_cast<double>(high - low) / 255;
  const double from_low = -128 - low / scale, from_high = 127 - high / scale;
  // The end of the range that is nearer to zero gives the smaller error.
  const double zero_point = 128 + std::abs(low / scale) < 127 + std::abs(high / scale) ? from_low : from_high;
  return {static_cast<float>(scale), round_to<int8_t>(zero_point)};
}

inline DynamicRange quantize_asymmetric(const float* values, int64_t count, int8_t* quantized) {
  float low = 0, high = 0;
  for (int64_t i = 0; i < count; ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
  const DynamicRange range = asymmetric_range(low, high);
  if (low == high) {
    std::fill(quantized, quantized + count, int8_t{0});
    return range;
  }
  const float inverse = 1 / range.scale;
  for (int64_t i = 0; i < count; ++i)
    quantized[i] = static_cast<int8_t>(std::clamp(nearest(values[i] * inverse) + range.zero_point, -128, 127));
  return range;
}

}  // namespace subgraft
