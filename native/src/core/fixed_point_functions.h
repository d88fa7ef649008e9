// exp, tanh, logistic and the reciprocal in fixed point, with the roundings of gemmlowp, which TFLite's integer
// kernels use: every result equals theirs in the last bit.
//
// A value is a plain int32_t or int16_t. "Q2" is a format with 2 bits above the binary point besides the sign: an
// int32_t in Q2 counts units of 2^-29, an int16_t units of 2^-13. 1.0 in Q0 is the largest number of the type.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "core/fixed_point.h"

namespace subgraft::fixed {

template <typename Raw>
constexpr int kBits = sizeof(Raw) * 8;

template <typename Raw>
constexpr Raw kOne = std::numeric_limits<Raw>::max();  // of Q0

// A constant written down for int32_t, rounded for narrower types.
template <typename Raw>
constexpr Raw constant(int32_t value) {
  return static_cast<Raw>(rounding_shift_right(value, 32 - kBits<Raw>));
}

// Two's complement arithmetic that wraps around.
template <typename Raw>
Raw add(Raw a, Raw b) {
  return static_cast<Raw>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}
template <typename Raw>
Raw subtract(Raw a, Raw b) {
  return static_cast<Raw>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b));
}

// The integer bits of two factors add up: Q0 x Q2 is Q2.
template <typename Raw>
Raw multiply(Raw a, Raw b) {
  return doubling_high_multiply(a, b);
}

// The value in another format: saturates with fewer integer bits, rounds with more.
template <int From, int To, typename Raw>
Raw rescale(Raw a) {
  if constexpr (From > To)
    return saturating_shift_left(a, From - To);
  else
    return rounding_shift_right(a, To - From);
}

// e^a for a in [-1/4, 0), Q0 to Q0: the Taylor series to the fourth power around -1/8.
template <typename Raw>
Raw exp_of_last_quarter(Raw a) {
  constexpr Raw exp_of_minus_eighth = constant<Raw>(1895147668), third = constant<Raw>(715827883);
  const Raw x = add(a, static_cast<Raw>(Raw{1} << (kBits<Raw> - 4)));  // a + 1/8
  const Raw x2 = multiply(x, x);
  const Raw x3 = multiply(x2, x);
  const Raw x4 = multiply(x2, x2);
  const Raw higher = rounding_shift_right(add(multiply(add(rounding_shift_right(x4, 2), x3), third), x2), 1);
  const int64_t sum = int64_t{exp_of_minus_eighth} + multiply(exp_of_minus_eighth, add(x, higher));
  return static_cast<Raw>(std::min<int64_t>(sum, kOne<Raw>));
}

// e^a for a <= 0 with IntegerBits, as Q0.
template <int IntegerBits, typename Raw>
Raw exp_of_negative(Raw a) {
  constexpr int fraction = kBits<Raw> - 1 - IntegerBits;
  static_assert(fraction >= 2);
  if (a == 0) return kOne<Raw>;
  if constexpr (IntegerBits > 5) {
    if (a < constant<Raw>(-(1 << (36 - IntegerBits)))) return 0;  // below -32
  }
  constexpr Raw quarter = Raw{1} << (fraction - 2);
  const Raw in_quarter = subtract(static_cast<Raw>(a & (quarter - 1)), quarter);
  const Raw quarters = subtract(in_quarter, a);
  Raw result = exp_of_last_quarter(rescale<IntegerBits, 0>(in_quarter));
  // e^-1/4, e^-1/2, e^-1, e^-2, ... for the bits of what is left.
  constexpr int32_t powers[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  for (int i = 0; i < 7 && i - 2 < IntegerBits; ++i)
    if (quarters >> (fraction - 2 + i) & 1) result = multiply(result, constant<Raw>(powers[i]));
  return result;
}

// 2 / (1 + a) for a in [0, 1), Q0 to Q2: Newton's division.
template <typename Raw>
Raw two_over_one_plus(Raw a) {
  constexpr Raw one = Raw{1} << (kBits<Raw> - 3);  // Q2
  const Raw half_denominator = static_cast<Raw>((int64_t{a} + kOne<Raw> + 1) / 2);
  Raw x = add(constant<Raw>(1515870810), multiply(half_denominator, constant<Raw>(-1010580540)));  // 48/17, -32/17
  for (int i = 0; i < 3; ++i) {
    const Raw error = subtract(one, multiply(half_denominator, x));
    x = add(x, rescale<4, 2>(multiply(x, error)));
  }
  return x;
}

// 1 / (1 + a) for a in [0, 1), Q0 to Q0.
template <typename Raw>
Raw one_over_one_plus(Raw a) {
  return rescale<1, 0>(two_over_one_plus(a));
}

// (1 - a) / (1 + a) for a in [0, 1], Q0 to Q0.
template <typename Raw>
Raw one_minus_over_one_plus(Raw a) {
  return rescale<2, 0>(subtract(two_over_one_plus(a), static_cast<Raw>(Raw{1} << (kBits<Raw> - 3))));
}

// tanh(a) of a with IntegerBits, as Q0.
template <int IntegerBits, typename Raw>
Raw tanh(Raw a) {
  if (a == 0) return 0;
  const Raw negative = a < 0 ? a : subtract(Raw{0}, a);
  const Raw result = one_minus_over_one_plus(exp_of_negative<IntegerBits + 1>(negative));
  return a < 0 ? subtract(Raw{0}, result) : result;
}

// 1 / (1 + e^-a) of a with IntegerBits, as Q0.
template <int IntegerBits, typename Raw>
Raw logistic(Raw a) {
  if (a == 0) return Raw{1} << (kBits<Raw> - 2);
  const Raw negative = a < 0 ? a : subtract(Raw{0}, a);
  const Raw result = one_over_one_plus(exp_of_negative<IntegerBits>(negative));
  return a < 0 ? subtract(kOne<Raw>, result) : result;
}

struct Reciprocal {
  int32_t value;       // Q0
  int bits_over_unit;  // 1 / x is value / 2^bits_over_unit
};

// 1 / x for an int32_t x > 0 with IntegerBits, or a larger sum of such numbers.
template <int IntegerBits>
Reciprocal reciprocal(int64_t x) {
  const int leading_zeros = __builtin_clzll(static_cast<uint64_t>(x)) - 32;
  const int64_t from_one_to_two = leading_zeros >= 0 ? x << leading_zeros : x >> -leading_zeros;
  return {one_over_one_plus(static_cast<int32_t>(from_one_to_two - (int64_t{1} << 31))), IntegerBits - leading_zeros};
}

// 1 / sqrt(x) for an integer x; 1 for those under 2: Newton's iteration on x scaled to [1/2, 2) by powers of 4.
inline Multiplier inverse_sqrt(int32_t x) {
  if (x <= 1) return {std::numeric_limits<int32_t>::max(), 0};
  int shift = 11;
  for (; x >= 1 << 29; ++shift) x /= 4;
  const int left_pairs = (__builtin_clz(static_cast<uint32_t>(x)) - 1) / 2 - 1;
  shift -= left_pairs;
  const int32_t half = rounding_shift_right((x << 2 * left_pairs) >> 1, 1);  // Q3, as all below
  constexpr int32_t one = 1 << 28, three_halves = one + one / 2, sqrt_half = 1518500250;
  int32_t root = one;
  for (int i = 0; i < 5; ++i) {
    const int32_t cube = rescale<9, 3>(multiply(multiply(root, root), root));
    root = rescale<6, 3>(subtract(multiply(three_halves, root), multiply(half, cube)));
  }
  root = multiply(root, sqrt_half);
  if (shift < 0) return {static_cast<int32_t>(static_cast<uint32_t>(root) << -shift), 0};
  return {root, -shift};
}

}  // namespace subgraft::fixed
