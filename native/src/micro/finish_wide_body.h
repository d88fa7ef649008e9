// The last steps of gemm_int16.h for any instruction set: its Wide lanes of 64 bits are included before.
#pragma once

#include "micro/gemm_int16.h"

namespace subgraft {
namespace {

// The sums of kWide channels with their bias, modulo 2^64.
inline Wide biased(const WideSums& s, int64_t row, int64_t channel) {
  const int64_t at = row * s.stride + channel;
  const Wide sum = s.is_wide ? load_wide(static_cast<const int64_t*>(s.sums) + at)
                             : load_wide(static_cast<const int32_t*>(s.sums) + at);
  return s.bias ? plus_wide(sum, load_wide(s.bias + channel)) : sum;
}

// scale(sums of kWide channels from that channel on) is kWide numbers of 16 bits.
template <typename Scale>
inline void finish_rows(const WideSums& s, int16_t* out, int64_t out_stride, const Scale& scale) {
  for (int64_t row = 0; row < s.rows; ++row, out += out_stride) {
    int64_t channel = 0;
    for (; channel + kWide <= s.channels; channel += kWide)
      store_short(out + channel, scale(biased(s, row, channel), channel));
    if (channel < s.channels)
      store_short_part(out + channel, scale(biased(s, row, channel), channel), s.channels - channel);
  }
}

void finish_fixed(const WideSums& s, const WideScale& scale, int16_t* out, int64_t out_stride) {
  finish_rows(s, out, out_stride, [&](Wide sum, int64_t channel) {
    const Wide shift = load_wide(scale.shifts + channel);
    const Wide product = plus_wide(times_15_bits(sum, load_wide(scale.multipliers + channel)), half_of(shift));
    return clamped(shifted_right(product, shift), scale.min, scale.max);
  });
}

void finish_real(const WideSums& s, const WideRealScale& scale, int16_t* out, int64_t out_stride) {
  finish_rows(s, out, out_stride, [&](Wide sum, int64_t channel) {
    return rounded(times_real(real_of(sum), scale.scales + channel), scale.min, scale.max);
  });
}

constexpr FinishWide kFinishWide{finish_fixed, finish_real};

}  // namespace
}  // namespace subgraft
