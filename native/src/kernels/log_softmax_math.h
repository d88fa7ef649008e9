// Log-softmax of one row.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/fixed_point.h"
#include "core/fixed_point_functions.h"

namespace subgraft {

inline void log_softmax_row(const float* in, float* out, int64_t depth) {
  float max = std::numeric_limits<float>::lowest();
  for (int64_t i = 0; i < depth; ++i) max = std::max(max, in[i]);
  float sum = 0;
  for (int64_t i = 0; i < depth; ++i) sum += std::exp(in[i] - max);
  const float log_sum = std::log(sum);
  for (int64_t i = 0; i < depth; ++i) out[i] = in[i] - max - log_sum;
}

namespace fixed {

// log(a) for a >= 1 with IntegerBits, as Q5: a is r times a power of 2 (or of 2 over its root) with r near 2^-1/4,
// whose logarithm is a rational function.
template <int IntegerBits>
int32_t log_from_one(int32_t a) {
  constexpr int kResult = 5, kSum = kResult + 1;
  constexpr int32_t log_2 = 1488522236, half_root = 1805811301 /* 2^-1/4 */, root_half = 1518500250;
  constexpr int32_t alpha_n = 117049297, alpha_d = 127690142, alpha_i = 1057819769, alpha_f = 638450708;
  constexpr int32_t quarter = rounding_shift_right(int32_t{1} << 29, kSum);
  const auto in_sum_format = [](int64_t integer) { return integer * (int64_t{1} << (31 - kSum)); };
  const auto saturated = [](int64_t x) {
    return static_cast<int32_t>(
        std::clamp<int64_t>(x, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
  };

  // Two ways to write a as a power of 2 and a rest: the smaller rest and the larger power are meant.
  const int a_zeros = std::countl_zero(static_cast<uint32_t>(a));
  const int32_t a_rest = saturating_shift_left(multiply(saturating_shift_left(a, a_zeros - 1), root_half), 1);
  const int32_t a_power = saturated(in_sum_format(IntegerBits - a_zeros) + quarter);
  const int b_zeros = std::countl_zero(static_cast<uint32_t>(multiply(a, root_half))) - 1;
  const int32_t b_rest = saturating_shift_left(a, b_zeros);
  const int32_t b_power = saturated(in_sum_format(IntegerBits - b_zeros) - quarter);
  const int32_t r = std::min(a_rest, b_rest), power = std::max(a_power, b_power);

  const int64_t twice_p = int64_t{r} + half_root;
  const auto p = static_cast<int32_t>((twice_p + (twice_p >= 0 ? 1 : -1)) / 2);
  const int32_t distance = subtract(r, half_root), q = add(distance, distance), q2 = multiply(q, q);
  const int32_t numerator = add(multiply(q, r), multiply(multiply(q, q2), alpha_n));
  const int32_t denominator_less_one =
      add(multiply(p, add(add(alpha_i, q), multiply(alpha_d, q2))), multiply(alpha_f, q));
  const int32_t fraction = multiply(rescale<0, kSum>(numerator), one_over_one_plus(denominator_less_one));
  return rescale<kSum, kResult>(add(multiply(power, log_2), fraction));
}

}  // namespace fixed

// What a quantized log-softmax knows of an 8-bit input that is i under the row's maximum.
struct LogSoftmax8 {
  static constexpr int kIntegerBits = 5;  // of distances and logarithms
  static constexpr int kSumIntegerBits = 12;
  static constexpr int kOutputIntegerBits = 4;

  std::array<int32_t, 256> distance{};  // scaled, negative
  std::array<int32_t, 256> exp{};       // e^distance as Q12
  int32_t radius = 0;                   // further away than this a distance would not fit
  Multiplier inverse;                   // from scaled distances back to those of inputs
  bool has_inverse = false;

  explicit LogSoftmax8(double scale) {
    constexpr double kUnit = 1 << (31 - kIntegerBits);
    const Multiplier multiplier = quantize_multiplier(std::min(scale * kUnit, 2147483647.0), 31);
    const double farthest = std::ldexp(((1 << kIntegerBits) - 1) * kUnit, -multiplier.shift);
    radius = static_cast<int32_t>(std::min(256.0, std::floor(farthest)));
    for (int32_t i = 0; i <= std::min(radius, 255); ++i) {
      distance[i] = subgraft::rescale(-i, multiplier);
      exp[i] = fixed::rescale<0, kSumIntegerBits>(fixed::exp_of_negative<kIntegerBits>(distance[i]));
    }
    // Where distances grow no further by scaling, none is too large for the logarithm to be subtracted.
    if (multiplier.value == 0 || multiplier.shift < 1) return;
    inverse = quantize_multiplier(std::ldexp(1.0, 31 - multiplier.shift) / multiplier.value);
    has_inverse = true;
  }

  // The distance from which on outputs are the lowest.
  int32_t limit(int32_t log_sum) const {
    const int32_t all = radius + 1;
    if (!has_inverse) return all;
    const int32_t lowest = fixed::add(log_sum, std::numeric_limits<int32_t>::min());
    return std::min(all, -subgraft::rescale(lowest, inverse));
  }
};

template <typename T>
void log_softmax_row(const T* in, T* out, int64_t depth, const LogSoftmax8& t) {
  using L = LogSoftmax8;
  constexpr int32_t low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  constexpr int32_t kLog2 = 46516320;  // Q5
  const int32_t max = *std::max_element(in, in + depth);
  int64_t sum = 0;
  for (int64_t i = 0; i < depth; ++i) sum += t.exp[max - in[i]];
  // The reference has no room for a sum over 4096.
  const int halvings = std::max(0, 33 - std::countl_zero(static_cast<uint64_t>(sum)));
  const int32_t log_sum =
      fixed::log_from_one<L::kSumIntegerBits>(static_cast<int32_t>(sum >> halvings)) + halvings * kLog2;
  const int32_t limit = t.limit(log_sum);
  for (int64_t i = 0; i < depth; ++i) {
    const int32_t distance = max - in[i];
    if (distance >= limit) {
      out[i] = static_cast<T>(low);
      continue;
    }
    const int32_t difference = fixed::subtract(t.distance[distance], log_sum);
    const int32_t result = rounding_shift_right(difference, 31 - L::kIntegerBits - L::kOutputIntegerBits) + high;
    out[i] = static_cast<T>(std::clamp(result, low, high));
  }
}

}  // namespace subgraft
