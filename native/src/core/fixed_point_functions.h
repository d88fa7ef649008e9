// exp, tanh, logistic and the reciprocal in fixed point, with the roundings of gemmlowp, which TFLite's integer
// kernels use: every result equals theirs in the last bit.
//
// A value is a plain int32_t or int16_t. "Q2" is a format with 2 bits above the binary point besides the sign: an
// int32_t in Q2 counts units of 2^-29, an int16_t units of 2^-13. 1.0 in Q0 is the largest number of the type.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

namespace subgraft::fixed {

template <typename Raw>
using Wide = std::conditional_t<sizeof(Raw) == 4, int64_t, int32_t>;

template <typename Raw>
constexpr int kBits = sizeof(Raw) * 8;

template <typename Raw>
constexpr Raw saturated(Wide<Raw> value) {
  constexpr Wide<Raw> low = std::numeric_limits<Raw>::min(), high = std::numeric_limits<Raw>::max();
  return static_cast<Raw>(value < low ? low : value > high ? high : value);
}

// Two's complement arithmetic that wraps around.
template <typename Raw>
constexpr Raw add(Raw a, Raw b) {
  return static_cast<Raw>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}
template <typename Raw>
constexpr Raw subtract(Raw a, Raw b) {
  return static_cast<Raw>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b));
}

// a x b where both are Q0, rounded to nearest and upwards from the middle; -1 x -1 saturates. The integer bits of two
// other formats add up: Q0 x Q2 is Q2.
template <typename Raw>
constexpr Raw multiply(Raw a, Raw b) {
  constexpr int shift = kBits<Raw> - 1;
  return saturated<Raw>((Wide<Raw>{a} * b + (Wide<Raw>{1} << (shift - 1))) >> shift);
}

// a / 2^exponent, rounded to nearest and away from zero from the middle.
template <typename Raw>
constexpr Raw shift_right(Raw a, int exponent) {
  if (exponent == 0) return a;
  return static_cast<Raw>((Wide<Raw>{a} + (Wide<Raw>{1} << (exponent - 1)) - (a < 0)) >> exponent);
}

// The value in another format: saturates with fewer integer bits, rounds with more.
template <int From, int To, typename Raw>
constexpr Raw rescale(Raw a) {
  if constexpr (From > To)
    return saturated<Raw>(Wide<Raw>{a} * (Wide<Raw>{1} << (From - To)));
  else
    return shift_right(a, To - From);
}

// A constant written down for int32_t, rounded for narrower types.
template <typename Raw>
constexpr Raw constant(int32_t value) {
  return static_cast<Raw>(shift_right(value, 32 - kBits<Raw>));
}

template <typename Raw>
constexpr Raw kOne = std::numeric_limits<Raw>::max();  // of Q0

// e^a for a in [-1/4, 0), Q0 to Q0: the Taylor series to the fourth power around -1/8.
template <typename Raw>
constexpr Raw exp_of_last_quarter(Raw a) {
  constexpr Raw exp_of_minus_eighth = constant<Raw>(1895147668), third = constant<Raw>(715827883);
  const Raw x = add(a, static_cast<Raw>(Raw{1} << (kBits<Raw> - 4)));  // a + 1/8
  const Raw x2 = multiply(x, x);
  const Raw x3 = multiply(x2, x);
  const Raw x4 = multiply(x2, x2);
  const Raw higher = shift_right(add(multiply(add(shift_right(x4, 2), x3), third), x2), 1);
  const Wide<Raw> sum = Wide<Raw>{exp_of_minus_eighth} + multiply(exp_of_minus_eighth, add(x, higher));
  return saturated<Raw>(sum);
}

// e^a for a <= 0 with IntegerBits, as Q0.
template <int IntegerBits, typename Raw>
constexpr Raw exp_of_negative(Raw a) {
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
constexpr Raw two_over_one_plus(Raw a) {
  constexpr Raw one = Raw{1} << (kBits<Raw> - 3);  // Q2
  const Raw half_denominator = static_cast<Raw>((Wide<Raw>{a} + kOne<Raw> + 1) / 2);
  Raw x = add(constant<Raw>(1515870810), multiply(half_denominator, constant<Raw>(-1010580540)));  // 48/17, -32/17
  for (int i = 0; i < 3; ++i) {
    const Raw error = subtract(one, multiply(half_denominator, x));
    x = add(x, rescale<4, 2>(multiply(x, error)));
  }
  return x;
}

// 1 / (1 + a) for a in [0, 1), Q0 to Q0.
template <typename Raw>
constexpr Raw one_over_one_plus(Raw a) {
  return rescale<1, 0>(two_over_one_plus(a));
}

// (1 - a) / (1 + a) for a in [0, 1], Q0 to Q0.
template <typename Raw>
constexpr Raw one_minus_over_one_plus(Raw a) {
  return rescale<2, 0>(subtract(two_over_one_plus(a), static_cast<Raw>(Raw{1} << (kBits<Raw> - 3))));
}

// tanh(a) of a with IntegerBits, as Q0.
template <int IntegerBits, typename Raw>
constexpr Raw tanh(Raw a) {
  if (a == 0) return 0;
  const Raw negative = a < 0 ? a : subtract(Raw{0}, a);
  const Raw result = one_minus_over_one_plus(exp_of_negative<IntegerBits + 1>(negative));
  return a < 0 ? subtract(Raw{0}, result) : result;
}

// 1 / (1 + e^-a) of a with IntegerBits, as Q0.
template <int IntegerBits, typename Raw>
constexpr Raw logistic(Raw a) {
  if (a == 0) return Raw{1} << (kBits<Raw> - 2);
  const Raw negative = a < 0 ? a : subtract(Raw{0}, a);
  const Raw result = one_over_one_plus(exp_of_negative<IntegerBits>(negative));
  return a < 0 ? subtract(kOne<Raw>, result) : result;
}

struct Reciprocal {
  int32_t value;           // Q0
  int bits_over_unit = 0;  // 1 / x is value / 2^bits_over_unit
};

// 1 / x for x > 0 with IntegerBits.
template <int IntegerBits>
inline Reciprocal reciprocal(int32_t x) {
  const int leading_zeros = __builtin_clz(static_cast<uint32_t>(x));
  const uint32_t over_one = (static_cast<uint32_t>(x) << leading_zeros) - (uint32_t{1} << 31);
  return {one_over_one_plus(static_cast<int32_t>(over_one)), IntegerBits - leading_zeros};
}

}  // namespace subgraft::fixed
