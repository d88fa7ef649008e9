// What quantized kernels ask of their tensors.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "runtime/kernel.h"

namespace subgraft {

// real = scale * (value - zero point)
struct Affine {
  float scale;
  int32_t zero_point;

  static Affine of(const Operand& operand) { return {operand.scale(), operand.zero_point()}; }
};

// T's value nearest to x, ties away from zero; T's smallest for NaN.
template <typename T>
T saturate(float x) {
  constexpr float low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  return static_cast<T>(std::min(std::max(low, std::round(x)), high));
}

template <typename T>
T saturate(int64_t x) {
  return static_cast<T>(std::clamp<int64_t>(x, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

// Whether x > 0 is a power of two, nearly; its exponent.
inline bool is_power_of_two(float x, int& exponent) {
  const float log2 = std::log(x) * (1.0f / std::log(2.0f));
  exponent = static_cast<int>(std::round(log2));
  return std::abs(log2 - std::round(log2)) < 1e-3f;
}

// int16 is quantized around 0.
inline void require_symmetric(const Preparation& p) {
  const auto check = [&p](const Operand& operand) {
    p.require(operand.zero_point() == 0, "int16 needs zero points of 0, not ", operand.zero_point());
  };
  for (int i = 0; i < p.inputs(); ++i) check(p.input(i));
  check(p.output(0));
}

}  // namespace subgraft
