// What the kernels of images (resizing, pooling) need of NEON beside the common lanes.
#pragma once

#include <cstddef>

#include "micro/lanes_neon.h"

namespace subgraft {
namespace {

inline void store_whole(int32_t* p, Ints x) { vst1q_s32(p, x); }
inline Floats to_real(Ints x) { return vcvtq_f32_s32(x); }
inline Ints to_whole(Floats x) { return vcvtq_s32_f32(x); }  // towards zero

// (a * x + b * y) / 2^20 to nearest, halves away from zero; products of 64 bits, the low 32 bits of the result.
inline Ints weigh_wide(Ints a, Ints x, Ints b, Ints y) {
  const auto half = [](int64x2_t sum) {
    const int64x2_t sign = vshrq_n_s64(sum, 63);
    return vshrn_n_s64(vaddq_s64(vaddq_s64(sum, vdupq_n_s64(1 << 19)), sign), 20);
  };
  const int64x2_t low = vmlal_s32(vmull_s32(vget_low_s32(a), vget_low_s32(x)), vget_low_s32(b), vget_low_s32(y));
  return vcombine_s32(half(low), half(vmlal_high_s32(vmull_high_s32(a, x), b, y)));
}

inline Floats divided(Floats a, Floats b) { return vdivq_f32(a, b); }
// x, or -x where y is not positive.
inline Ints with_sign_of(Ints x, Ints y) { return vbslq_s32(vcgtzq_s32(y), x, vnegq_s32(x)); }

// Vectors of 16 bytes.
template <typename T>
struct Wide;

template <>
struct Wide<float> {
  static constexpr int kCount = 4;
  float32x4_t v;
  static Wide of(float x) { return {vdupq_n_f32(x)}; }
  static Wide lowest() { return of(-__FLT_MAX__); }
  static Wide load(const float* p) { return {vld1q_f32(p)}; }
  void store(float* p) const { vst1q_f32(p, v); }
  static Wide load_part(const float* p, int64_t count) {
    float values[kCount] = {};
    __builtin_memcpy(values, p, static_cast<size_t>(count) * sizeof(float));
    return load(values);
  }
  void store_part(float* p, int64_t count) const {
    float values[kCount];
    store(values);
    __builtin_memcpy(p, values, static_cast<size_t>(count) * sizeof(float));
  }
};
// The second where one is NaN.
inline Wide<float> greater(Wide<float> a, Wide<float> b) { return {vbslq_f32(vcgtq_f32(a.v, b.v), a.v, b.v)}; }
inline Wide<float> lesser(Wide<float> a, Wide<float> b) { return {vbslq_f32(vcltq_f32(a.v, b.v), a.v, b.v)}; }

template <>
struct Wide<int8_t> {
  static constexpr int kCount = 16;
  int8x16_t v;
  static Wide of(int8_t x) { return {vdupq_n_s8(x)}; }
  static Wide lowest() { return of(INT8_MIN); }
  static Wide load(const int8_t* p) { return {vld1q_s8(p)}; }
  void store(int8_t* p) const { vst1q_s8(p, v); }
  static Wide load_part(const int8_t* p, int64_t count) {
    int8_t values[kCount] = {};
    __builtin_memcpy(values, p, static_cast<size_t>(count) * sizeof(int8_t));
    return load(values);
  }
  void store_part(int8_t* p, int64_t count) const {
    int8_t values[kCount];
    store(values);
    __builtin_memcpy(p, values, static_cast<size_t>(count) * sizeof(int8_t));
  }
};
inline Wide<int8_t> greater(Wide<int8_t> a, Wide<int8_t> b) { return {vmaxq_s8(a.v, b.v)}; }
inline Wide<int8_t> lesser(Wide<int8_t> a, Wide<int8_t> b) { return {vminq_s8(a.v, b.v)}; }

template <>
struct Wide<uint8_t> {
  static constexpr int kCount = 16;
  uint8x16_t v;
  static Wide of(uint8_t x) { return {vdupq_n_u8(x)}; }
  static Wide lowest() { return of(0); }
  static Wide load(const uint8_t* p) { return {vld1q_u8(p)}; }
  void store(uint8_t* p) const { vst1q_u8(p, v); }
  static Wide load_part(const uint8_t* p, int64_t count) {
    uint8_t values[kCount] = {};
    __builtin_memcpy(values, p, static_cast<size_t>(count) * sizeof(uint8_t));
    return load(values);
  }
  void store_part(uint8_t* p, int64_t count) const {
    uint8_t values[kCount];
    store(values);
    __builtin_memcpy(p, values, static_cast<size_t>(count) * sizeof(uint8_t));
  }
};
inline Wide<uint8_t> greater(Wide<uint8_t> a, Wide<uint8_t> b) { return {vmaxq_u8(a.v, b.v)}; }
inline Wide<uint8_t> lesser(Wide<uint8_t> a, Wide<uint8_t> b) { return {vminq_u8(a.v, b.v)}; }

template <>
struct Wide<int16_t> {
  static constexpr int kCount = 8;
  int16x8_t v;
  static Wide of(int16_t x) { return {vdupq_n_s16(x)}; }
  static Wide lowest() { return of(INT16_MIN); }
  static Wide load(const int16_t* p) { return {vld1q_s16(p)}; }
  void store(int16_t* p) const { vst1q_s16(p, v); }
  static Wide load_part(const int16_t* p, int64_t count) {
    int16_t values[kCount] = {};
    __builtin_memcpy(values, p, static_cast<size_t>(count) * sizeof(int16_t));
    return load(values);
  }
  void store_part(int16_t* p, int64_t count) const {
    int16_t values[kCount];
    store(values);
    __builtin_memcpy(p, values, static_cast<size_t>(count) * sizeof(int16_t));
  }
};
inline Wide<int16_t> greater(Wide<int16_t> a, Wide<int16_t> b) { return {vmaxq_s16(a.v, b.v)}; }
inline Wide<int16_t> lesser(Wide<int16_t> a, Wide<int16_t> b) { return {vminq_s16(a.v, b.v)}; }

}  // namespace
}  // namespace subgraft
