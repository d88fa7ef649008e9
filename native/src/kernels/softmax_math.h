// Softmax of one row.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/fixed_point.h"
#include "core/fixed_point_functions.h"
#include "core/half.h"

namespace subgraft {

inline void softmax_row(const float* in, float* out, int64_t depth, float beta) {
  const float max = *std::max_element(in, in + depth);
  float sum = 0;
  for (int64_t i = 0; i < depth; ++i) {
    out[i] = std::exp((in[i] - max) * beta);
    sum += out[i];
  }
  for (int64_t i = 0; i < depth; ++i) out[i] /= sum;
}

// The exponentials are rounded before they are divided, but not before they are summed.
inline void softmax_row(const Half* in, Half* out, int64_t depth, float beta) {
  float max = to_float(in[0]), sum = 0;
  for (int64_t i = 1; i < depth; ++i) max = std::max(max, to_float(in[i]));
  for (int64_t i = 0; i < depth; ++i) {
    const float exponential = std::exp((to_float(in[i]) - max) * beta);
    out[i] = to_half(exponential);
    sum += exponential;
  }
  for (int64_t i = 0; i < depth; ++i) out[i] = to_half(to_float(out[i]) / sum);
}

// e^-i scaled by beta and the input's scale, as Q0, for each distance i of an 8-bit input from the row's maximum.
using ExpTable = std::array<int32_t, 256>;

// `real` is beta times the input's scale; neither negative nor NaN.
inline ExpTable exp_table(double real) {
  constexpr int kIntegerBits = 5;  // of the scaled distance
  constexpr double kUnit = 1 << (31 - kIntegerBits);
  const Multiplier multiplier = quantize_multiplier(std::min(real * kUnit, 2147483647.0), 31);
  // Further away than this the scaled distance would not fit.
  const double radius = std::ldexp(((1 << kIntegerBits) - 1) * kUnit, -multiplier.shift);
  ExpTable table{};
  for (int32_t i = 0; i < 256 && i <= radius; ++i)
    table[i] = fixed::exp_of_negative<kIntegerBits>(rescale(-i, multiplier));
  return table;
}

// What a row of `sum` is multiplied by: value / 2^exponent, from Q0 to units of an output of so many bits.
struct ShareScale {
  static constexpr int kSumIntegerBits = 12;
  int32_t value;
  int exponent;

  ShareScale(int64_t sum, int output_bits) {
    const fixed::Reciprocal scale = fixed::reciprocal<kSumIntegerBits>(sum);
    value = scale.value;
    exponent = scale.bits_over_unit + 31 - output_bits;
  }
};

template <typename In, typename Out>
void softmax_row(const In* in, Out* out, int64_t depth, const ExpTable& table) {
  constexpr int32_t low = std::numeric_limits<Out>::min(), high = std::numeric_limits<Out>::max();
  const int32_t max = *std::max_element(in, in + depth);
  int64_t sum = 0;
  for (int64_t i = 0; i < depth; ++i) sum += fixed::rescale<0, ShareScale::kSumIntegerBits>(table[max - in[i]]);
  const ShareScale scale(sum, fixed::kBits<Out>);
  if (scale.exponent > 31) {  // every share is under half a step
    std::fill(out, out + depth, static_cast<Out>(low));
    return;
  }
  for (int64_t i = 0; i < depth; ++i) {
    const int32_t share = doubling_high_multiply(scale.value, table[max - in[i]]);
    out[i] = static_cast<Out>(std::min(rounding_shift_right(share, scale.exponent) + low, high));
  }
}

// A function of int16_t by linear interpolation between 513 values.
class InterpolationTable {
 public:
  // function(min) to function(max) at 512 equal steps, scaled to int16_t so that 1 is 32768; values in the middle of
  // steps pull the ends so that the error spreads.
  template <typename Function>
  InterpolationTable(double min, double max, Function&& function) {
    constexpr int kSteps = 512;
    constexpr double kScale = 65536 / 2.0;
    const double step = (max - min) / kSteps;
    for (int i = 0; i < kSteps; ++i) {
      const double value = std::round(function(min + i * step) * kScale);
      const double next = function(min + (i + 1) * step) * kScale;
      const double middle = std::round(function(min + i * step + step / 2) * kScale);
      const double bias = std::round((std::round((next + value) / 2) - middle) / 2);
      values_[i] = round_to<int16_t>(value - bias);
    }
    values_[kSteps] = round_to<int16_t>(function(max) * kScale);
  }

  int16_t operator()(int16_t x) const {
    const int index = 256 + (x >> 7);
    const int slope = static_cast<int16_t>(values_[index + 1] - values_[index]);
    return static_cast<int16_t>(values_[index] + ((slope * (x & 127) + 64) >> 7));
  }

  const std::array<int16_t, 513>& values() const { return values_; }

 private:
  std::array<int16_t, 513> values_;
};

inline InterpolationTable softmax16_exp() {
  return InterpolationTable(-10.0, 0, [](double x) { return std::exp(x); });
}
inline InterpolationTable softmax16_one_over_one_plus() {
  return InterpolationTable(0, 1, [](double x) { return 1 / (1 + x); });
}

struct Softmax16 {
  Multiplier multiplier;  // from a distance of inputs to units of 10 / 65535
  InterpolationTable exp, one_over_one_plus;
};

inline int16_t saturate16(int64_t x) { return static_cast<int16_t>(std::clamp<int64_t>(x, INT16_MIN, INT16_MAX)); }

// The same for int16, where exponentials are Q0 and their sum Q16.15.
struct Softmax16Scale {
  int64_t value;
  int shift;

  Softmax16Scale(int64_t sum, const InterpolationTable& one_over_one_plus) {
    sum = std::clamp<int64_t>(sum, 1, INT32_MAX);
    const int leading_zeros = __builtin_clz(static_cast<uint32_t>(sum));
    const int64_t over_one = (((sum << (leading_zeros - 1)) + (1 << 13)) >> 14) - (1 << 15) - (1 << 16);
    value = one_over_one_plus(saturate16(over_one));
    shift = 31 - leading_zeros;
  }
};

inline void softmax_row(const int16_t* in, int16_t* out, int64_t depth, const Softmax16& p) {
  const int32_t max = *std::max_element(in, in + depth);
  int64_t sum = 0;  // Q16.15
  for (int64_t i = 0; i < depth; ++i) {
    out[i] = p.exp(saturate16(int64_t{rescale(in[i] - max, p.multiplier)} + 32767));
    sum += out[i];
  }
  const Softmax16Scale scale(sum, p.one_over_one_plus);
  for (int64_t i = 0; i < depth; ++i) {
    const int64_t share = (out[i] * scale.value + ((int64_t{1} << scale.shift) >> 1)) >> scale.shift;
    out[i] = static_cast<int16_t>(std::clamp<int64_t>(share, 0, INT16_MAX));
  }
}

}  // namespace subgraft
