// One number of any type as another, as CAST does it.
#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/dtype.h"
#include "core/half.h"

namespace subgraft {

// Towards zero, saturated; NaN becomes the largest number.
template <typename To, typename From>
To truncate_to(From x) {
  constexpr From low = static_cast<From>(std::numeric_limits<To>::min());
  constexpr From beyond = static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * 2;  // the maximum plus one
  if (!(x < beyond)) return std::numeric_limits<To>::max();
  return x > low ? static_cast<To>(x) : std::numeric_limits<To>::min();
}

// A bool as it lies in memory: a file may hold any byte for true.
struct BoolByte {
  uint8_t byte;
};

// Integers wrap around, complex numbers lose their imaginary part, anything but zero is true.
template <typename To, typename From>
To cast_to(From x) {
  if constexpr (std::is_same_v<From, To>)
    return x;
  else if constexpr (std::is_same_v<From, BoolByte>)
    return cast_to<To>(x.byte != 0);
  else if constexpr (std::is_same_v<From, std::complex<float>>)
    return cast_to<To>(x.real());
  else if constexpr (kIsShortFloat<From>)
    return cast_to<To>(to_float(x));
  else if constexpr (kIsShortFloat<To>)
    return shorten<To>(static_cast<float>(x));
  else if constexpr (std::is_same_v<To, std::complex<float>>)
    return {static_cast<float>(x), 0};
  else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && !std::is_same_v<To, bool>)
    return truncate_to<To>(x);
  else
    return static_cast<To>(x);
}

}  // namespace subgraft
