// Sums to outputs with NEON.
#include <arm_neon.h>

#include "micro/finish_sums.h"
#include "micro/requantize_neon.h"

namespace subgraft {

const FinishSums* finish_sums_neon();

namespace {

constexpr int kLanes = 4;

// The first `count` of four numbers that fit the type.
template <typename Out>
[[gnu::always_inline]] inline void store(Out* to, int64_t count, int32x4_t x) {
  if (count >= kLanes) {
    if constexpr (sizeof(Out) == 2) {
      vst1_s16(to, vmovn_s32(x));
    } else {
      const int16x4_t narrow = vmovn_s32(x);
      const int8x8_t bytes = vmovn_s16(vcombine_s16(narrow, narrow));
      const int32_t four = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
      __builtin_memcpy(to, &four, sizeof four);
    }
    return;
  }
  int32_t values[kLanes];
  vst1q_s32(values, x);
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<Out>(values[i]);
}

[[gnu::always_inline]] inline int32x4_t load_or_zero(const int32_t* from, int64_t at) {
  return from ? vld1q_s32(from + at) : vdupq_n_s32(0);
}

// work(row, sums) for all rows of the four channels from `channel`.
template <typename Work>
[[gnu::always_inline]] inline void for_rows(const SumBlock& b, int64_t channel, const int32_t* bias, const Work& work) {
  const int32x4_t added = load_or_zero(bias, channel);
  for (int64_t row = 0; row < b.rows; ++row) {
    int32x4_t x = vaddq_s32(vld1q_s32(b.sums + row * b.stride + channel), added);
    if (b.row_terms) x = vaddq_s32(x, vdupq_n_s32(b.row_terms[row]));
    work(row, x);
  }
}

template <typename Out>
void finish_fixed(const SumBlock& b, const FixedScale& s, Out* out, int64_t out_stride) {
  const int32x4_t zero_point = vdupq_n_s32(s.zero_point), low = vdupq_n_s32(s.min), high = vdupq_n_s32(s.max);
  for (int64_t channel = 0; channel < b.channels; channel += kLanes) {
    const Rescale128 c = make_rescale128(vld1q_s32(s.multipliers + channel), vld1q_s32(s.shifts + channel));
    for_rows(b, channel, s.bias, [&](int64_t row, int32x4_t x) {
      const int32x4_t scaled = vaddq_s32(rescale128(x, c), zero_point);
      store(out + row * out_stride + channel, b.channels - channel, vminq_s32(vmaxq_s32(scaled, low), high));
    });
  }
}

template <typename Out>
void finish_real(const SumBlock& b, const RealScale& s, Out* out, int64_t out_stride) {
  const int32x4_t zero_point = vdupq_n_s32(s.zero_point), low = vdupq_n_s32(s.min), high = vdupq_n_s32(s.max);
  for (int64_t channel = 0; channel < b.channels; channel += kLanes) {
    const float64x2_t first = vld1q_f64(s.scales + channel), second = vld1q_f64(s.scales + channel + 2);
    // Nearest, ties away from zero, saturated.
    const auto scaled = [](int32x2_t x, float64x2_t scale) {
      return vqmovn_s64(vcvtaq_s64_f64(vmulq_f64(vcvtq_f64_s64(vmovl_s32(x)), scale)));
    };
    for_rows(b, channel, s.bias, [&](int64_t row, int32x4_t x) {
      const int32x4_t both = vcombine_s32(scaled(vget_low_s32(x), first), scaled(vget_high_s32(x), second));
      const int32x4_t moved = vqaddq_s32(both, zero_point);
      store(out + row * out_stride + channel, b.channels - channel, vminq_s32(vmaxq_s32(moved, low), high));
    });
  }
}

[[gnu::always_inline]] inline void store(float* to, int64_t count, float32x4_t x) {
  if (count >= kLanes) return vst1q_f32(to, x);
  float values[kLanes];
  vst1q_f32(values, x);
  for (int64_t i = 0; i < count; ++i) to[i] = values[i];
}

void finish_float(const SumBlock& b, const FloatScale& s, float* out, int64_t out_stride) {
  const float32x4_t low = vdupq_n_f32(s.min), high = vdupq_n_f32(s.max);
  for (int64_t channel = 0; channel < b.channels; channel += kLanes) {
    const float32x4_t scale = vld1q_f32(s.scales + channel);
    const float32x4_t bias = s.bias ? vld1q_f32(s.bias + channel) : vdupq_n_f32(0);
    const int32x4_t weight_sums = s.row_zeros ? load_or_zero(s.weight_sums, channel) : vdupq_n_s32(0);
    for_rows(b, channel, nullptr, [&](int64_t row, int32x4_t x) {
      if (s.row_zeros) x = vmlsq_s32(x, weight_sums, vdupq_n_s32(s.row_zeros[row]));
      const float32x4_t row_scale = vdupq_n_f32(s.row_scales[row]), sum = vcvtq_f32_s32(x);
      const float32x4_t real =
          s.twice ? vmulq_f32(vmulq_f32(sum, scale), row_scale) : vmulq_f32(sum, vmulq_f32(row_scale, scale));
      store(out + row * out_stride + channel, b.channels - channel,
            vminq_f32(vmaxq_f32(vaddq_f32(real, bias), low), high));
    });
  }
}

constexpr FinishSums kFinish{finish_fixed<int8_t>, finish_fixed<uint8_t>, finish_fixed<int16_t>, finish_real<int8_t>,
                             finish_real<uint8_t>, finish_real<int16_t>,  finish_float};

}  // namespace

const FinishSums* finish_sums_neon() { return &kFinish; }

}  // namespace subgraft
