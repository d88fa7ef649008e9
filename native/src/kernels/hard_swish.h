// HARD_SWISH of 8-bit tensors: x * clamp(x + 3, 0, 6) / 6 in 16-bit fixed point.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "core/fixed_point.h"

namespace subgraft {

struct HardSwishParams {
  int32_t input_zero_point = 0;
  int32_t output_zero_point = 0;
  int16_t output_multiplier = 0;
  int output_right_shift = 0;  // 0 to 31; beyond 15 any 16-bit number becomes 1 or, if negative, -1, as in TFLite
  int16_t ramp_multiplier = 0;
  int ramp_shift = 0;  // positive: to the left, at most kMaxShift; negative: to the right, at most 31
};

// The high 16 bits of a multiplier of fixed_point.h, rounded.
inline int16_t narrow_multiplier(int32_t value) {
  return static_cast<int16_t>(value >= 0x7fff7fff ? 0x7fff : (value + (1 << 15)) >> 16);
}

template <typename T>
T hard_swish(T value, const HardSwishParams& params) {
  // Seven more bits: all that 16 bits hold.
  const int16_t x = static_cast<int16_t>((value - params.input_zero_point) * 128);
  const int16_t on_output_scale = doubling_high_multiply(x, params.output_multiplier);

  // clamp(x / 3, -1, 1) in units of 2^-15. Of a left shift, the last bit comes after the multiplication, so that only
  // it can saturate the result.
  int16_t ramp = x;
  if (params.ramp_shift > 0) ramp = saturating_shift_left(ramp, params.ramp_shift - 1);
  ramp = doubling_high_multiply(ramp, params.ramp_multiplier);
  if (params.ramp_shift > 0) ramp = saturating_shift_left(ramp, 1);
  if (params.ramp_shift < 0) ramp = rounding_shift_right(ramp, -params.ramp_shift);
  const int32_t share = (ramp + 32768) >> 1;  // of x that goes out: 0 to 1 in units of 2^-15

  const int16_t product = static_cast<int16_t>(share * on_output_scale / 32768);  // rounds towards zero
  const int16_t y =
      static_cast<int16_t>(rounding_shift_right(product, params.output_right_shift) + params.output_zero_point);
  return static_cast<T>(std::clamp<int16_t>(y, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

}  // namespace subgraft
