// SOFTMAX and LOG_SOFTMAX for any instruction set, whose lanes are included before.
#pragma once

#include "micro/exp_body.h"
#include "micro/softmax.h"

namespace subgraft {
namespace {

float largest_of(const float* in, int64_t depth) {
  Floats most = broadcast(-__builtin_inff());
  int64_t i = 0;
  for (; i + kLanes <= depth; i += kLanes) most = max(load(in + i), most);
  if (i < depth) most = max(load_part(in + i, depth - i, most), most);
  return largest(most);
}

template <typename T>
int32_t largest_of(const T* in, int64_t depth) {
  Ints most = broadcast(INT32_MIN);
  int64_t i = 0;
  for (; i + kLanes <= depth; i += kLanes) most = max(load(in + i), most);
  if (i < depth) most = max(load_part(in + i, depth - i, most), most);
  return largest(most);
}

void softmax_real(const float* in, float* out, int64_t rows, int64_t depth, float beta) {
  for (; rows > 0; --rows, in += depth, out += depth) {
    const Floats largest = broadcast(largest_of(in, depth)), factor = broadcast(beta);
    const auto exp_of = [&](Floats x) { return exp_of_negative(times(minus(x, largest), factor)); };
    Floats sum = broadcast(0.f);
    int64_t i = 0;
    for (; i + kLanes <= depth; i += kLanes) {
      const Floats e = exp_of(load(in + i));
      store(out + i, e);
      sum = plus(sum, e);
    }
    if (i < depth) {
      const Floats e = exp_of(load_part(in + i, depth - i, largest));
      store_part(out + i, e, depth - i);
      sum = plus(sum, keep_part(e, depth - i));
    }
    const Floats share = broadcast(1 / sum_of(sum));
    for (i = 0; i + kLanes <= depth; i += kLanes) store(out + i, times(load(out + i), share));
    if (i < depth) store_part(out + i, times(load_part(out + i, depth - i, share), share), depth - i);
  }
}

void log_softmax_real(const float* in, float* out, int64_t rows, int64_t depth) {
  for (; rows > 0; --rows, in += depth, out += depth) {
    const Floats largest = broadcast(largest_of(in, depth));
    Floats sum = broadcast(0.f);
    int64_t i = 0;
    for (; i + kLanes <= depth; i += kLanes) sum = plus(sum, exp_of_negative(minus(load(in + i), largest)));
    if (i < depth)
      sum = plus(sum, keep_part(exp_of_negative(minus(load_part(in + i, depth - i, largest), largest)), depth - i));
    const Floats log = broadcast(__builtin_logf(sum_of(sum)));
    for (i = 0; i + kLanes <= depth; i += kLanes) store(out + i, minus(minus(load(in + i), largest), log));
    if (i < depth) store_part(out + i, minus(minus(load_part(in + i, depth - i, log), largest), log), depth - i);
  }
}

// Sums of non-negative values below 2^20, for any depth.
class WideSum {
 public:
  void add(Ints x) {
    lanes_ = plus(lanes_, x);
    if (++added_ == kMost) total();
  }
  int64_t total() {
    total_ += sum_of(lanes_);
    lanes_ = broadcast(int32_t{0});
    added_ = 0;
    return total_;
  }

 private:
  static constexpr int kMost = 1 << 11;  // that a lane holds
  Ints lanes_ = broadcast(int32_t{0});
  int added_ = 0;
  int64_t total_ = 0;
};

// x / 2^shift, rounded to nearest, for 0 <= x and 0 < shift <= 31.
Ints rounded_shift(Ints x, int shift) {
  return shift_right_unsigned(plus(x, broadcast(static_cast<int32_t>(1u << (shift - 1)))), shift);
}

template <typename In, typename Out>
void softmax_of_8(const In* in, Out* out, int64_t rows, int64_t depth, const SoftmaxTable& table,
                  ScaleOfSum8 scale_of) {
  constexpr int kBits = sizeof(Out) * 8, kSumIntegerBits = 12;
  constexpr int32_t low = Out(-1) < 0 ? -(1 << (kBits - 1)) : 0, high = low + (1 << kBits) - 1;
  for (; rows > 0; --rows, in += depth, out += depth) {
    const Ints largest = broadcast(largest_of(in, depth));
    const auto exp_of = [&](Ints x) { return pick(table.exp, minus(largest, x)); };
    WideSum sum;
    int64_t i = 0;
    for (; i + kLanes <= depth; i += kLanes) sum.add(rounded_shift(exp_of(load(in + i)), kSumIntegerBits));
    if (i < depth) {
      const Ints e = rounded_shift(exp_of(load_part(in + i, depth - i, largest)), kSumIntegerBits);
      sum.add(keep_part(e, depth - i));
    }
    const SoftmaxScale scale = scale_of(sum.total(), kBits);
    // Where every share is under half a step, a factor of 0 says so too.
    const Ints factor = broadcast(scale.shift > 31 ? 0 : scale.value);
    const int shift = scale.shift > 31 ? 31 : scale.shift;
    const auto share_of = [&](Ints x) {
      const Ints share = rounded_shift(doubling_high_multiply(factor, exp_of(x)), shift);
      return min(plus(share, broadcast(low)), broadcast(high));
    };
    for (i = 0; i + kLanes <= depth; i += kLanes) store(out + i, share_of(load(in + i)));
    if (i < depth) store_part(out + i, share_of(load_part(in + i, depth - i, largest)), depth - i);
  }
}

// x * multiplier * 2^shift for x <= 0, rounded at bit 31 and at the shift; a left shift wraps around.
Ints rescale_negative(Ints x, int32_t multiplier, int32_t shift) {
  if (shift > 0) x = shift_left(x, shift);
  x = doubling_high_multiply(x, broadcast(multiplier));
  if (shift >= 0) return x;
  const int32_t mask = static_cast<int32_t>((1u << -shift) - 1);
  const Ints rest = both(x, broadcast(mask));
  const Ints one = broadcast(int32_t{1});
  const Ints threshold = add_where_greater(broadcast(mask >> 1), broadcast(int32_t{0}), x, one);
  return add_where_greater(shift_right(x, -shift), rest, threshold, one);
}

Ints interpolated_exp(Ints distance, const SoftmaxInterpolation& table) {
  const Ints scaled = rescale_negative(distance, table.multiplier, table.shift);
  // What wrapped around is above 0; its sum with the offset is kept from wrapping around once more.
  const Ints offset = broadcast(int32_t{32767});
  const Ints x = max(plus(min(scaled, broadcast(int32_t{0})), offset), broadcast(int32_t{-32768}));
  const Ints pair = pick_pair(table.exp, plus(shift_right(x, 7), broadcast(int32_t{256})));
  const Ints value = shift_right(shift_left(pair, 16), 16), next = shift_right(pair, 16);
  const Ints slope = shift_right(shift_left(minus(next, value), 16), 16);
  const Ints fraction = both(x, broadcast(int32_t{127}));
  const Ints rise = shift_right(plus(times(slope, fraction), broadcast(int32_t{64})), 7);
  return shift_right(shift_left(plus(value, rise), 16), 16);
}

void softmax_of_16(const int16_t* in, int16_t* out, int64_t rows, int64_t depth, const SoftmaxInterpolation& table,
                   ScaleOfSum16 scale_of, const void* scale_table) {
  for (; rows > 0; --rows, in += depth, out += depth) {
    const Ints largest = broadcast(largest_of(in, depth));
    WideSum sum;
    int64_t i = 0;
    for (; i + kLanes <= depth; i += kLanes) {
      const Ints e = interpolated_exp(minus(load(in + i), largest), table);
      store(out + i, e);
      sum.add(e);
    }
    if (i < depth) {
      const Ints e = interpolated_exp(minus(load_part(in + i, depth - i, largest), largest), table);
      store_part(out + i, e, depth - i);
      sum.add(keep_part(e, depth - i));
    }
    const SoftmaxScale scale = scale_of(sum.total(), scale_table);
    const Ints factor = broadcast(scale.value), half = broadcast((int32_t{1} << scale.shift) >> 1);
    const auto share_of = [&](Ints e) {
      const Ints share = shift_right(plus(times(e, factor), half), scale.shift);
      return min(max(share, broadcast(int32_t{0})), broadcast(int32_t{32767}));
    };
    for (i = 0; i + kLanes <= depth; i += kLanes) store(out + i, share_of(load(out + i)));
    if (i < depth) store_part(out + i, share_of(load_part(out + i, depth - i, factor)), depth - i);
  }
}

constexpr SoftmaxRows kSoftmaxRows{softmax_real,
                                   log_softmax_real,
                                   softmax_of_8<int8_t, int8_t>,
                                   softmax_of_8<int8_t, int16_t>,
                                   softmax_of_8<uint8_t, uint8_t>,
                                   softmax_of_8<uint8_t, int16_t>,
                                   softmax_of_16};

}  // namespace
}  // namespace subgraft
