// The integer arithmetic of quantized kernels, bit for bit as TFLite's reference kernels do it: real multipliers as
// 32-bit fixed point, products rounded twice (once at bit 31, once at the shift), clamps of fused activations.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/errors.h"

namespace subgraft {

// Stands for the real number value * 2^(shift - 31).
struct Multiplier {
  int32_t value = 0;
  int32_t shift = 0;  // positive: to the left
};

// The largest shifts that rescale() and rescale_wide() are defined for.
inline constexpr int kMaxShift = 30;
inline constexpr int kMaxWideShift = 14;

// Throws ModelError when the number is not finite or too large. Numbers under 2^-32 become zero.
inline Multiplier quantize_multiplier(double real, int max_shift = kMaxShift) {
  if (!std::isfinite(real)) throw ModelError(concat("quantization scales give the multiplier ", real));
  if (real == 0) return {};
  int shift;
  int64_t value = static_cast<int64_t>(std::round(std::frexp(real, &shift) * 2147483648.0));
  if (value == int64_t{1} << 31) {  // 0.99999999999 rounds up to 1
    value /= 2;
    ++shift;
  }
  if (shift < -31) return {};
  if (shift > max_shift)
    throw ModelError(concat("quantization scales give the multiplier ", real, ", which is too large"));
  return {static_cast<int32_t>(value), shift};
}

// The high half of 2ab, rounded to nearest with ties upwards; the one overflow (both are the minimum) saturates.
inline int32_t doubling_high_multiply(int32_t a, int32_t b) {
  const int64_t product = int64_t{a} * b;
  return static_cast<int32_t>(
      std::min<int64_t>((product + (int64_t{1} << 30)) >> 31, std::numeric_limits<int32_t>::max()));
}
inline int16_t doubling_high_multiply(int16_t a, int16_t b) {
  const int32_t product = int32_t{a} * b;
  return static_cast<int16_t>(std::min((product + (1 << 14)) >> 15, int32_t{std::numeric_limits<int16_t>::max()}));
}

// x / 2^exponent, rounded to nearest with ties away from zero. 0 <= exponent < bits of T.
template <typename T>
constexpr T rounding_shift_right(T x, int exponent) {
  static_assert(std::is_signed_v<T> && std::is_integral_v<T>);
  const T mask = static_cast<T>((uint64_t{1} << exponent) - 1);
  const T remainder = static_cast<T>(x & mask);
  const T threshold = static_cast<T>((mask >> 1) + (x < 0 ? 1 : 0));
  return static_cast<T>((x >> exponent) + (remainder > threshold ? 1 : 0));
}

// x * 2^exponent, saturated. 0 <= exponent < bits of T.
template <typename T>
T saturating_shift_left(T x, int exponent) {
  static_assert(std::is_signed_v<T> && sizeof(T) <= 4);
  const int64_t wide = int64_t{x} * (int64_t{1} << exponent);
  return static_cast<T>(std::clamp<int64_t>(wide, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

// x * m. A left shift wraps around, as in the reference. -31 <= m.shift <= kMaxShift. Always inline: files with many
// kernels run into the compiler's limits, and a call costs as much as the arithmetic.
[[gnu::always_inline]] inline int32_t rescale(int32_t x, Multiplier m) {
  const int left = std::max(m.shift, 0);
  const int right = std::max(-m.shift, 0);
  const int32_t shifted = static_cast<int32_t>(static_cast<uint32_t>(x) << left);
  return rounding_shift_right(doubling_high_multiply(shifted, m.value), right);
}

// A multiplier for 48-bit accumulators (16-bit activations): 16 bits of it, and one rounding at the shift, from 1
// to 46.
struct WideMultiplier {
  int32_t value;
  int32_t right;

  explicit WideMultiplier(Multiplier m)
      : value(m.value < 0x7fff0000 ? (m.value + (1 << 15)) >> 16 : 0x7fff), right(15 - m.shift) {}
};

// x * m of such accumulators. -31 <= m.shift <= kMaxWideShift.
inline int32_t rescale_wide(int64_t x, Multiplier m) {
  const WideMultiplier wide(m);
  const uint64_t product = static_cast<uint64_t>(x) * static_cast<uint64_t>(int64_t{wide.value});
  return static_cast<int32_t>(static_cast<int64_t>(product + (uint64_t{1} << (wide.right - 1))) >> wide.right);
}

// Nearest integer, ties away from zero, saturated to T; 0 for NaN.
template <typename T, typename Real>
T round_to(Real real) {
  static_assert(std::is_floating_point_v<Real> && sizeof(T) <= 4);
  const double rounded = std::round(real);
  if (std::isnan(rounded)) return 0;
  return static_cast<T>(std::clamp<double>(rounded, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

// ActivationFunctionType of the schema.
enum class Activation : int8_t { none = 0, relu = 1, relu_n1_to_1 = 2, relu6 = 3, tanh = 4, sign_bit = 5 };

template <typename T>
struct Range {
  T min = std::numeric_limits<T>::lowest();
  T max = std::numeric_limits<T>::max();

  // NaN stays NaN.
  T clamp(T x) const { return std::min(std::max(x, min), max); }
};

// The clamp that a fused activation means for real numbers. Throws Unsupported for those that are no clamp.
inline Range<float> activation_range(int64_t activation) {
  switch (activation) {
    case static_cast<int64_t>(Activation::none):
      return {};
    case static_cast<int64_t>(Activation::relu):
      return {0, std::numeric_limits<float>::max()};
    case static_cast<int64_t>(Activation::relu_n1_to_1):
      return {-1, 1};
    case static_cast<int64_t>(Activation::relu6):
      return {0, 6};
    case static_cast<int64_t>(Activation::tanh):
      throw Unsupported("fused activation TANH");
    case static_cast<int64_t>(Activation::sign_bit):
      throw Unsupported("fused activation SIGN_BIT");
  }
  throw ModelError(concat("fused activation ", activation, " does not exist"));
}

// The same for an output of type T with these parameters, as a range within T's.
template <typename T>
Range<int32_t> quantized_activation_range(int64_t activation, float scale, int32_t zero_point) {
  const Range<float> real = activation_range(activation);
  Range<int32_t> range{std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};
  const auto quantize = [&](float x) {
    const float steps = std::round(x / scale);
    if (!(std::abs(steps) < 2147483648.0f)) throw ModelError(concat("scale ", scale, " of the output is too small"));
    return static_cast<int64_t>(steps) + zero_point;
  };
  if (real.min > std::numeric_limits<float>::lowest())
    range.min = static_cast<int32_t>(std::clamp<int64_t>(quantize(real.min), range.min, range.max));
  if (real.max < std::numeric_limits<float>::max())
    range.max = static_cast<int32_t>(std::clamp<int64_t>(quantize(real.max), range.min, range.max));
  return range;
}

}  // namespace subgraft
