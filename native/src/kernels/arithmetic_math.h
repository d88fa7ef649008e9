// One element of the quantized arithmetic ops, and plain integers that wrap around.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "core/fixed_point.h"
#include "core/fixed_point_functions.h"

namespace subgraft {

template <typename T>
using Wrapping = std::conditional_t<sizeof(T) <= 4, uint32_t, uint64_t>;

template <typename T>
T wrapping_add(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a + b;
  else
    return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
}

template <typename T>
T wrapping_subtract(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a - b;
  else
    return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
}

template <typename T>
T wrapping_multiply(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a * b;
  else
    return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
}

// Two inputs brought to one scale, twice the larger of theirs, with `left_shift` more bits.
struct CommonScale {
  int32_t zero_point[2] = {};
  Multiplier multiplier[2];
  int left_shift = 0;

  int32_t a(int32_t x) const { return rescale((x - zero_point[0]) * (1 << left_shift), multiplier[0]); }
  int32_t b(int32_t x) const { return rescale((x - zero_point[1]) * (1 << left_shift), multiplier[1]); }
};

// The same for bytes, looked up.
template <typename T>
class CommonScaleOfBytes {
 public:
  explicit CommonScaleOfBytes(const CommonScale& common) {
    for (int i = 0; i < 256; ++i) {
      a_[i] = common.a(static_cast<T>(i));
      b_[i] = common.b(static_cast<T>(i));
    }
  }

  int32_t a(T x) const { return a_[static_cast<uint8_t>(x)]; }
  int32_t b(T x) const { return b_[static_cast<uint8_t>(x)]; }

 private:
  std::array<int32_t, 256> a_, b_;
};

template <typename T>
auto tabulated(const CommonScale& common) {
  if constexpr (sizeof(T) == 1)
    return CommonScaleOfBytes<T>(common);
  else
    return common;
}

// The way back to the output's type.
struct QuantizedOutput {
  Multiplier multiplier;
  int32_t zero_point = 0;
  Range<int32_t> range;

  int32_t operator()(int32_t x) const { return range.clamp(wrapping_add(rescale(x, multiplier), zero_point)); }
};

// a / b in units of 2^(result.shift - 31) where both are small integers and b is not 0.
inline Multiplier quotient(int32_t a, int32_t b) {
  if (b < 0) {
    a = -a;
    b = -b;
  }
  const fixed::Reciprocal inverse = fixed::reciprocal<31>(b);
  const int headroom = __builtin_clrsb(a);  // 31 for 0
  return {doubling_high_multiply(static_cast<int32_t>(static_cast<uint32_t>(a) << headroom), inverse.value),
          -inverse.bits_over_unit - headroom};
}

// The quotient times the multiplier, on the output's scale.
inline int32_t divide(int32_t a, int32_t b, Multiplier multiplier) {
  const Multiplier q = quotient(a, b);
  const int32_t product = doubling_high_multiply(q.value, multiplier.value);
  const int shift = q.shift + multiplier.shift;
  if (shift >= 0) return saturating_shift_left(product, std::min(shift, 31));
  return shift < -31 ? 0 : rounding_shift_right(product, -shift);
}

template <typename T>
T floor_divide(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(std::floor(double{a} / double{b}));
  } else {
    const int64_t wide = a, by = b;  // so that the minimum can be divided by -1
    const int64_t quotient = wide / by;
    return static_cast<T>(quotient - (wide % by != 0 && (wide < 0) != (by < 0) ? 1 : 0));
  }
}

}  // namespace subgraft
