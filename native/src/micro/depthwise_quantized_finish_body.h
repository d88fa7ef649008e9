// What becomes of the sums of depthwise_quantized_body.h.
#pragma once

#include "micro/depthwise_quantized.h"

namespace subgraft {
namespace {

using Layer = QuantizedDepthwise;
using Call = QuantizedDepthwiseCall;
constexpr int kVectorBytes = 4 * kLanes;

// The last steps. Each takes its parameters from the head of a record.

constexpr int kTogether = 4;  // outputs of a row that are summed side by side

// Sums that are far from the ends of 32 bits: both roundings, the zero point and the correction of negative numbers,
// where it matters, in few instructions; see write_quick().
template <bool corrects>
struct QuickFinish {
  Ints even, odd, add_even, add_odd, limit, shift;
  Bytes bytes;

  [[gnu::always_inline]] QuickFinish(const Call& call, const std::byte* head)
      : even(load_vector(head + kVectorBytes)),
        odd(load_vector(head + 2 * kVectorBytes)),
        add_even(load_vector(head + 3 * kVectorBytes)),
        add_odd(load_vector(head + 4 * kVectorBytes)),
        limit(load_vector(head + 5 * kVectorBytes)),
        shift(load_vector(head + 6 * kVectorBytes)),
        bytes(make_bytes(call.layer->min, call.layer->max, call.layer->is_signed)) {}
  static constexpr int kOutputBytes = 1;
  static constexpr bool kPairs = false;
  [[gnu::always_inline]] Ints scaled(Ints sum) const {
    Ints high = multiply_high(sum, even, odd, add_even, add_odd);
    if constexpr (corrects) high = decrease_where_less(high, limit);
    return shift_right_each(high, shift);
  }
  [[gnu::always_inline]] void operator()(std::byte* to, Ints sum) const { store_bytes(to, scaled(sum), bytes); }
  // kTogether outputs, `step` bytes apart.
  [[gnu::always_inline]] void store_all(std::byte* to, int64_t step, const Ints* sums) const {
    Ints all[kTogether];
    for (int i = 0; i < kTogether; ++i) all[i] = scaled(sums[i]);
    store_bytes(to, step, all, bytes);
  }
};

struct CarefulFinish {
  Rescale constants;
  Ints zero_point, min, max;

  [[gnu::always_inline]] CarefulFinish(const Call& call, const std::byte* head)
      : constants(make_rescale(load_vector(head + kVectorBytes), load_vector(head + 2 * kVectorBytes))),
        zero_point(broadcast(call.layer->zero_point)),
        min(broadcast(call.layer->min)),
        max(broadcast(call.layer->max)) {}
  static constexpr int kOutputBytes = 1;
  static constexpr bool kPairs = false;
  [[gnu::always_inline]] void operator()(std::byte* to, Ints sum) const {
    const Ints scaled = plus(rescale(sum, constants), zero_point);
    store(reinterpret_cast<int8_t*>(to), subgraft::min(subgraft::max(scaled, min), max));
  }
};

// Sums times multiplier plus a constant of 64 bits, which holds the bias and what rounds.
struct WideFinish {
  Ints multipliers, odd, add_even, add_odd, shift_even, shift_odd, min, max;

  [[gnu::always_inline]] WideFinish(const Call& call, const std::byte* head)
      : multipliers(load_vector(head + kVectorBytes)),
        odd(load_vector(head + 2 * kVectorBytes)),
        add_even(load_vector(head + 3 * kVectorBytes)),
        add_odd(load_vector(head + 4 * kVectorBytes)),
        shift_even(load_vector(head + 5 * kVectorBytes)),
        shift_odd(load_vector(head + 6 * kVectorBytes)),
        min(broadcast(call.layer->min)),
        max(broadcast(call.layer->max)) {}
  static constexpr int kOutputBytes = 2;
  static constexpr bool kPairs = true;
  [[gnu::always_inline]] void operator()(std::byte* to, Ints sum) const {
    const Ints scaled = multiply_shift(sum, multipliers, odd, add_even, add_odd, shift_even, shift_odd);
    store(reinterpret_cast<int16_t*>(to), subgraft::min(subgraft::max(scaled, min), max));
  }
};

struct RealFinish {
  Ints correction;
  Floats scale, bias, min, max;

  [[gnu::always_inline]] RealFinish(const Call& call, const std::byte* head)
      : correction(times(load_vector(head + kVectorBytes), broadcast(-128 - call.input_zero_point))),
        scale(times(broadcast(call.input_scale), real(load_vector(head + 2 * kVectorBytes)))),
        bias(real(load_vector(head + 3 * kVectorBytes))),
        min(broadcast(call.layer->real_min)),
        max(broadcast(call.layer->real_max)) {}
  static constexpr int kOutputBytes = 4;
  static constexpr bool kPairs = false;
  [[gnu::always_inline]] void operator()(std::byte* to, Ints sum) const {
    const Floats scaled = plus(times(to_real(plus(sum, correction)), scale), bias);
    store(reinterpret_cast<float*>(to), subgraft::min(max, subgraft::max(min, scaled)));
  }
};

// kTogether outputs, `step` bytes apart.
template <typename Finish>
[[gnu::always_inline]] inline void finish_together(const Finish& finish, std::byte* to, int64_t step,
                                                   const Ints* sums) {
  for (int i = 0; i < kTogether; ++i) finish(to + i * step, sums[i]);
}
template <bool corrects>
[[gnu::always_inline]] inline void finish_together(const QuickFinish<corrects>& finish, std::byte* to, int64_t step,
                                                   const Ints* sums) {
  finish.store_all(to, step, sums);
}

}  // namespace
}  // namespace subgraft
