// NEON vectors under names that the bodies shared with AVX2 use: included by files compiled for aarch64 only.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace subgraft {
namespace {

using Floats = float32x4_t;
using Ints = int32x4_t;
constexpr int kLanes = 4;

inline uint32x4_t first(int64_t count) {
  constexpr uint32_t kIndex[kLanes] = {0, 1, 2, 3};
  return vcltq_u32(vld1q_u32(kIndex), vdupq_n_u32(static_cast<uint32_t>(count)));
}

inline Floats broadcast(float x) { return vdupq_n_f32(x); }
inline Ints broadcast(int32_t x) { return vdupq_n_s32(x); }

inline Floats load(const float* p) { return vld1q_f32(p); }
inline Ints load(const int32_t* p) { return vld1q_s32(p); }
inline Ints load(const int16_t* p) { return vmovl_s16(vld1_s16(p)); }
inline Ints load(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)))));
}
inline Ints load(const uint8_t* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four))))));
}

// The first `count` values, 0 < count < kLanes; `other` in the rest.
inline Floats load_part(const float* p, int64_t count, Floats other) {
  float values[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) values[i] = p[i];
  return vbslq_f32(first(count), load(values), other);
}
template <typename T>
inline Ints load_part(const T* p, int64_t count, Ints other) {
  T values[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) values[i] = p[i];
  return vbslq_s32(first(count), load(values), other);
}
inline Floats keep_part(Floats x, int64_t count) { return vbslq_f32(first(count), x, vdupq_n_f32(0)); }
inline Ints keep_part(Ints x, int64_t count) { return vbslq_s32(first(count), x, vdupq_n_s32(0)); }

inline void store(float* p, Floats x) { vst1q_f32(p, x); }
// The low bits of each value.
inline void store(int16_t* p, Ints x) { vst1_s16(p, vmovn_s32(x)); }
inline void store(int8_t* p, Ints x) {
  const int16x4_t narrow = vmovn_s32(x);
  const int32_t four = vget_lane_s32(vreinterpret_s32_s8(vmovn_s16(vcombine_s16(narrow, narrow))), 0);
  __builtin_memcpy(p, &four, sizeof four);
}
inline void store(uint8_t* p, Ints x) { store(reinterpret_cast<int8_t*>(p), x); }
template <typename T, typename V>
inline void store_part(T* p, V x, int64_t count) {
  T values[kLanes];
  store(values, x);
  for (int64_t i = 0; i < count; ++i) p[i] = values[i];
}

// b where either is NaN.
inline Floats max(Floats a, Floats b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline Ints max(Ints a, Ints b) { return vmaxq_s32(a, b); }
inline Floats min(Floats a, Floats b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline Ints min(Ints a, Ints b) { return vminq_s32(a, b); }
inline Floats multiply_add(Floats a, Floats b, Floats c) { return vfmaq_f32(c, a, b); }
inline Floats times(Floats a, Floats b) { return vmulq_f32(a, b); }
inline Floats plus(Floats a, Floats b) { return vaddq_f32(a, b); }
inline Floats minus(Floats a, Floats b) { return vsubq_f32(a, b); }
inline Ints plus(Ints a, Ints b) { return vaddq_s32(a, b); }
inline Ints minus(Ints a, Ints b) { return vsubq_s32(a, b); }
inline Ints times(Ints a, Ints b) { return vmulq_s32(a, b); }
inline Ints bits(Floats x) { return vreinterpretq_s32_f32(x); }
inline Floats real(Ints x) { return vreinterpretq_f32_s32(x); }
inline Ints shift_left(Ints x, int by) { return vshlq_s32(x, vdupq_n_s32(by)); }
inline Ints shift_right(Ints x, int by) { return vshlq_s32(x, vdupq_n_s32(-by)); }
inline Ints shift_right_unsigned(Ints x, int by) {
  return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(x), vdupq_n_s32(-by)));
}
inline Ints both(Ints a, Ints b) { return vandq_s32(a, b); }
inline Ints add_where_greater(Ints x, Ints a, Ints b, Ints one) {
  return vaddq_s32(x, vandq_s32(vreinterpretq_s32_u32(vcgtq_s32(a, b)), one));
}

inline Ints pick(const int32_t* table, Ints index) {
  int32_t at[kLanes];
  vst1q_s32(at, index);
  const int32_t values[kLanes] = {table[at[0]], table[at[1]], table[at[2]], table[at[3]]};
  return vld1q_s32(values);
}
// 32 bits at an index counted in 16 bits.
inline Ints pick_pair(const int16_t* table, Ints index) {
  int32_t at[kLanes], values[kLanes];
  vst1q_s32(at, index);
  for (int i = 0; i < kLanes; ++i) __builtin_memcpy(&values[i], table + at[i], sizeof values[i]);
  return vld1q_s32(values);
}

// NaN where any is.
inline float largest(Floats x) { return vmaxvq_f32(x); }
inline int32_t largest(Ints x) { return vmaxvq_s32(x); }
inline float sum_of(Floats x) { return vaddvq_f32(x); }
inline int64_t sum_of(Ints x) { return vaddlvq_s32(x); }

inline Floats magnitude(Floats x) { return vabsq_f32(x); }
// y with the sign of x; y > 0.
inline Floats with_sign(Floats y, Floats x) { return vbslq_f32(vdupq_n_u32(0x80000000), x, y); }
inline Ints truncated(Floats x) { return vcvtq_s32_f32(x); }
inline float smallest(Floats x) { return vminvq_f32(x); }
inline Ints flipped(Ints x, Ints by) { return veorq_s32(x, by); }

// The high half of 2ab, rounded to nearest with ties upwards.
inline Ints doubling_high_multiply(Ints a, Ints b) { return vqrdmulhq_s32(a, b); }

}  // namespace
}  // namespace subgraft
