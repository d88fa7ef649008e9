// 1 / sqrt(x) of quantized tensors, with TFLite's roundings.
#pragma once

#include <cstdint>

#include "core/fixed_point.h"
#include "core/fixed_point_functions.h"

namespace subgraft {

// 1 / sqrt(x) times the multiplier, plus the zero point.
inline int32_t rescaled_inverse_sqrt(int32_t x, Multiplier multiplier, int32_t zero_point) {
  constexpr int kBits = 20;  // of precision between the two multiplications
  Multiplier inverse = fixed::inverse_sqrt(x);
  inverse.shift += kBits;
  multiplier.shift -= kBits;
  return multiplier.shift < -31 ? zero_point : rescale(rescale(1, inverse), multiplier) + zero_point;
}

}  // namespace subgraft
