// e^x on vectors; the lanes of one instruction set are included before.
#pragma once

#include <cstdint>

namespace subgraft {
namespace {

// e^x for x <= 0 to about one unit in the last place; 0 below -88; NaN for NaN.
inline Floats exp_of_negative(Floats x) {
  constexpr float kToInteger = 12582912;  // 1.5 * 2^23: a sum with it has its integer in the low bits
  constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  x = max(broadcast(-88.f), x);
  const Floats shifted = multiply_add(x, broadcast(kLog2E), broadcast(kToInteger));
  const Floats integer = minus(shifted, broadcast(kToInteger));
  Floats r = multiply_add(integer, broadcast(-kLn2High), x);
  r = multiply_add(integer, broadcast(-kLn2Low), r);
  // (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2, fitted by least squares.
  Floats p = multiply_add(broadcast(0.00139463111f), r, broadcast(0.0083692167f));
  p = multiply_add(p, r, broadcast(0.0416662656f));
  p = multiply_add(p, r, broadcast(0.166665152f));
  p = multiply_add(p, r, broadcast(0.5f));
  p = plus(multiply_add(p, times(r, r), r), broadcast(1.f));
  // The integer, at -127 as the exponent of 0, moves into the exponent; the constant's bits are shifted out.
  return times(p, real(shift_left(plus(bits(shifted), broadcast(int32_t{127})), 23)));
}

}  // namespace
}  // namespace subgraft
