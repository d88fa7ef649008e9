#include <arm_neon.h>

#include <cstdint>

namespace subgraft {
namespace {

using Wide = int64x2_t;
using Short = int32x2_t;  // as many
constexpr int kWide = 2;

inline Wide load_wide(const int64_t* p) { return vld1q_s64(p); }
inline Wide load_wide(const int32_t* p) { return vmovl_s32(vld1_s32(p)); }
inline Wide plus_wide(Wide a, Wide b) { return vaddq_s64(a, b); }
inline Wide times_15_bits(Wide a, Wide b) {
  const uint32x2_t factor = vreinterpret_u32_s32(vmovn_s64(b));
  const uint64x2_t low = vmull_u32(vreinterpret_u32_s32(vmovn_s64(a)), factor);
  const uint64x2_t high = vmull_u32(vreinterpret_u32_s32(vshrn_n_s64(a, 32)), factor);
  return vreinterpretq_s64_u64(vaddq_u64(low, vshlq_n_u64(high, 32)));
}
inline Wide half_of(Wide shift) { return vshlq_s64(vdupq_n_s64(1), vsubq_s64(shift, vdupq_n_s64(1))); }
inline Wide shifted_right(Wide x, Wide shift) { return vshlq_s64(x, vnegq_s64(shift)); }
inline Short clamped(Wide x, int32_t min, int32_t max) {
  return vmin_s32(vmax_s32(vmovn_s64(x), vdup_n_s32(min)), vdup_n_s32(max));
}
inline float64x2_t real_of(Wide x) { return vcvtq_f64_s64(x); }
inline float64x2_t times_real(float64x2_t x, const double* scales) { return vmulq_f64(x, vld1q_f64(scales)); }
// To the nearest integer, ties away from zero.
inline Short rounded(float64x2_t x, int32_t min, int32_t max) {
  const Short whole = vqmovn_s64(vcvtaq_s64_f64(x));
  return vmin_s32(vmax_s32(whole, vdup_n_s32(min)), vdup_n_s32(max));
}
inline void store_short(int16_t* p, Short x) {
  p[0] = static_cast<int16_t>(vget_lane_s32(x, 0));
  p[1] = static_cast<int16_t>(vget_lane_s32(x, 1));
}
inline void store_short_part(int16_t* p, Short x, int64_t) { p[0] = static_cast<int16_t>(vget_lane_s32(x, 0)); }

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/finish_wide_body.h"

namespace subgraft {

const FinishWide* finish_wide_neon();

const FinishWide* finish_wide_neon() { return &kFinishWide; }

}  // namespace subgraft
