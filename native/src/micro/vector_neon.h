// Four lanes of 32 bits, as in vector_avx512.h.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace subgraft {
namespace {

constexpr int64_t kLanes = 4;
typedef float Floats __attribute__((vector_size(16)));
typedef int32_t Ints __attribute__((vector_size(16)));

inline Floats floats(float x) { return (Floats)vdupq_n_f32(x); }
inline Ints ints(int32_t x) { return (Ints)vdupq_n_s32(x); }

// Memory as lanes: small integers are widened. With n: the first n lanes, of 0 < n < kLanes; the others are 0.
inline Floats load(const float* p) { return (Floats)vld1q_f32(p); }
inline Ints load(const int32_t* p) { return (Ints)vld1q_s32(p); }
inline Ints load(const int16_t* p) { return (Ints)vmovl_s16(vld1_s16(p)); }
inline Ints load(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return (Ints)vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)))));
}
inline Ints load(const uint8_t* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return (Ints)vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)))));
}
template <typename T>
inline auto load(const T* p, int64_t n) {
  T first[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) first[i] = p[i];
  return load(first);
}

// Lanes as memory. Narrowed integers must fit.
inline void store(float* p, Floats x) { vst1q_f32(p, (float32x4_t)x); }
inline void store(int32_t* p, Ints x) { vst1q_s32(p, (int32x4_t)x); }
inline void store(int16_t* p, Ints x) { vst1_s16(p, vmovn_s32((int32x4_t)x)); }
inline void store(int8_t* p, Ints x) {
  const int16x4_t narrow = vmovn_s32((int32x4_t)x);
  const int32_t four = vget_lane_s32(vreinterpret_s32_s8(vmovn_s16(vcombine_s16(narrow, narrow))), 0);
  __builtin_memcpy(p, &four, sizeof four);
}
inline void store(uint8_t* p, Ints x) { store(reinterpret_cast<int8_t*>(p), x); }
template <typename T, typename Lanes>
inline void store(T* p, Lanes x, int64_t n) {
  T all[kLanes];
  store(all, x);
  for (int64_t i = 0; i < n; ++i) p[i] = all[i];
}

// a > b ? a : b and a < b ? a : b: of a NaN the second.
inline Floats max(Floats a, Floats b) { return a > b ? a : b; }
inline Floats min(Floats a, Floats b) { return a < b ? a : b; }
inline Ints max(Ints a, Ints b) { return (Ints)vmaxq_s32((int32x4_t)a, (int32x4_t)b); }
inline Ints min(Ints a, Ints b) { return (Ints)vminq_s32((int32x4_t)a, (int32x4_t)b); }

inline Floats fma(Floats a, Floats b, Floats c) {
  return (Floats)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
inline Floats sqrt(Floats x) { return (Floats)vsqrtq_f32((float32x4_t)x); }
inline Floats abs(Floats x) { return (Floats)vabsq_f32((float32x4_t)x); }
inline Floats copy_sign(Floats magnitude, Floats sign) {
  return (Floats)(((Ints)magnitude & INT32_MAX) | ((Ints)sign & INT32_MIN));
}
inline Floats round_to_even(Floats x) { return (Floats)vrndnq_f32((float32x4_t)x); }
inline Floats round_down(Floats x) { return (Floats)vrndmq_f32((float32x4_t)x); }
inline Floats round_up(Floats x) { return (Floats)vrndpq_f32((float32x4_t)x); }
inline Ints truncate(Floats x) { return (Ints)vcvtq_s32_f32((float32x4_t)x); }
inline Ints nearest(Floats x) { return (Ints)vcvtnq_s32_f32((float32x4_t)x); }  // ties to even
inline Floats to_floats(Ints x) { return (Floats)vcvtq_f32_s32((int32x4_t)x); }
// x * 2^exponent for whole exponents of at most 250, rounded once: the first half of them is exact.
inline Floats scale_by_power(Floats x, Floats exponent) {
  const Ints whole = truncate(exponent), half = whole >> 1;
  return x * (Floats)((half + 127) << 23) * (Floats)((whole - half + 127) << 23);
}

// (a * b + 2^30) >> 31.
inline Ints doubling_high_multiply(Ints a, Ints b) { return (Ints)vqrdmulhq_s32((int32x4_t)a, (int32x4_t)b); }
// a * b for numbers of 16 bits.
inline Ints multiply_16_bits(Ints a, Ints b) { return (Ints)vmulq_s32((int32x4_t)a, (int32x4_t)b); }

// Lane i of the result is lane i ^ distance: 1 or 2.
template <int distance>
inline Ints exchange(Ints x) {
  if constexpr (distance == 2) return (Ints)vextq_s32((int32x4_t)x, (int32x4_t)x, 2);
  return (Ints)vrev64q_s32((int32x4_t)x);
}
template <int distance>
inline Floats exchange(Floats x) {
  return (Floats)exchange<distance>((Ints)x);
}

// The 32 bits at each offset in bytes.
inline Ints gather(const void* base, Ints offsets) {
  int32_t at[kLanes], values[kLanes];
  store(at, offsets);
  for (int64_t i = 0; i < kLanes; ++i)
    __builtin_memcpy(&values[i], static_cast<const char*>(base) + at[i], sizeof values[i]);
  return load(values);
}

}  // namespace
}  // namespace subgraft
