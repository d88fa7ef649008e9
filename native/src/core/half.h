// Floating point of 16 bits in software: IEEE half precision, and bfloat16, the upper half of a float.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "core/dtype.h"

namespace subgraft {

inline float to_float(Half half) {
  const uint32_t sign = static_cast<uint32_t>(half.bits & 0x8000) << 16;
  const uint32_t magnitude = half.bits & 0x7fff;
  if (magnitude >= 0x7c00) return std::bit_cast<float>(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);  // infinite, NaN
  // The exponent's bias is 112 less than that of float; multiplying by 2^112 also makes subnormals normal.
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(scaled));
}

// Rounded to nearest, ties to even. NaN becomes the quiet NaN of its sign.
inline Half to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return {static_cast<uint16_t>(sign | 0x7e00)};
  if (magnitude >= 0x477ff000) return {static_cast<uint16_t>(sign | 0x7c00)};  // 65520 and more round to infinity
  if (magnitude < 0x38800000) {                                                // below 2^-14: subnormal
    // Adding 2^-1 lets the float unit round to units of 2^-24, the last place of subnormal halves.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return {static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000))};
  }
  const uint32_t odd = magnitude >> 13 & 1;
  return {static_cast<uint16_t>(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13))};
}

struct BFloat16 {
  uint16_t bits;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::bfloat16;
};

inline float to_float(BFloat16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }

// Rounded to nearest, ties to even. NaN becomes the quiet NaN of its sign.
inline BFloat16 to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return {static_cast<uint16_t>((bits >> 16 & 0x8000) | 0x7fc0)};
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

template <typename T>
inline constexpr bool kIsShortFloat = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

template <typename T>
T shorten(float value) {
  static_assert(kIsShortFloat<T>);
  if constexpr (std::is_same_v<T, Half>)
    return to_half(value);
  else
    return to_bfloat16(value);
}

// f, a function of floats, for numbers of type T, where T may be a short float: each result is rounded once.
template <typename T, typename F>
auto computed_as_float(F f) {
  if constexpr (kIsShortFloat<T>)
    return [f](auto... x) { return shorten<T>(f(to_float(x)...)); };
  else
    return f;
}

}  // namespace subgraft
