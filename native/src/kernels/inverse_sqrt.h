// 1 / sqrt(x) of small integers in fixed point, with TFLite's roundings.
#pragma once

#include <cstdint>
#include <limits>

#include "core/fixed_point.h"
#include "core/fixed_point_functions.h"

namespace subgraft {

// 1 / sqrt(x) for 0 <= x < 2^29, as x * 2^(shift - 31); that of 0 is taken for that of 1.
inline Multiplier inverse_sqrt(int32_t x) {
  using fixed::multiply;
  using fixed::rescale;
  if (x <= 1) return {std::numeric_limits<int32_t>::max(), 0};
  // By an even number of bits into [2^27, 2^29).
  const int pairs = (__builtin_clz(static_cast<uint32_t>(x)) - 1) / 2 - 1;
  const int32_t scaled = (x << 2 * pairs) >> 1;  // Q3, 1/4 to 1
  const int32_t half = rounding_shift_right(scaled, 1);
  constexpr int32_t three_halves = (1 << 28) + (1 << 27);  // Q3
  constexpr int32_t half_sqrt_2 = 1518500250;              // Q0
  int32_t y = 1 << 28;
  for (int i = 0; i < 5; ++i) {  // Newton: y += y / 2 * (1 - scaled * y^2)
    const int32_t cube = rescale<9, 3>(multiply(multiply(y, y), y));
    y = rescale<6, 3>(fixed::subtract(multiply(three_halves, y), multiply(half, cube)));
  }
  y = multiply(y, half_sqrt_2);
  const int right_shift = 11 - pairs;
  return right_shift < 0 ? Multiplier{y << -right_shift, 0} : Multiplier{y, -right_shift};
}

// 1 / sqrt(x) times the multiplier, plus the zero point.
inline int32_t rescaled_inverse_sqrt(int32_t x, Multiplier multiplier, int32_t zero_point) {
  constexpr int kBits = 20;  // of precision between the two multiplications
  Multiplier inverse = inverse_sqrt(x);
  inverse.shift += kBits;
  multiplier.shift -= kBits;
  return multiplier.shift < -31 ? zero_point : rescale(rescale(1, inverse), multiplier) + zero_point;
}

}  // namespace subgraft
