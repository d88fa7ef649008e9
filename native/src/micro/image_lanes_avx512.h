// What the kernels of images (resizing, pooling) need of AVX-512 beside the common lanes.
#pragma once

#include "micro/lanes_avx512.h"

namespace subgraft {
namespace {

inline void store_whole(int32_t* p, Ints x) { _mm512_storeu_si512(p, x); }
inline Floats to_real(Ints x) { return _mm512_cvtepi32_ps(x); }
inline Ints to_whole(Floats x) { return _mm512_cvttps_epi32(x); }  // towards zero

// (a * x + b * y) / 2^20 to nearest, halves away from zero; products of 64 bits, the low 32 bits of the result.
inline Ints weigh_wide(Ints a, Ints x, Ints b, Ints y) {
  const auto half = [](__m512i a2, __m512i x2, __m512i b2, __m512i y2) {
    const __m512i sum = _mm512_add_epi64(_mm512_mul_epi32(a2, x2), _mm512_mul_epi32(b2, y2));
    const __m512i rounded =
        _mm512_add_epi64(_mm512_add_epi64(sum, _mm512_set1_epi64(1 << 19)), _mm512_srai_epi64(sum, 63));
    return _mm512_srai_epi64(rounded, 20);
  };
  const __m512i even = half(a, x, b, y);
  const __m512i odd = half(_mm512_srli_epi64(a, 32), x, _mm512_srli_epi64(b, 32), y);
  return _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}

inline Floats divided(Floats a, Floats b) { return _mm512_div_ps(a, b); }
// x, or -x where y is not positive.
inline Ints with_sign_of(Ints x, Ints y) {
  const __m512i zero = _mm512_setzero_si512();
  return _mm512_mask_sub_epi32(x, _mm512_cmple_epi32_mask(y, zero), zero, x);
}

// Vectors of 64 bytes.
template <typename T>
struct Wide;
template <>
struct Wide<float> {
  static constexpr int kCount = 16;
  __m512 v;
  static Wide of(float x) { return {_mm512_set1_ps(x)}; }
  static Wide lowest() { return of(-__FLT_MAX__); }
  static Wide load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Wide load_part(const float* p, int64_t count) { return {_mm512_maskz_loadu_ps(first(count), p)}; }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store_part(float* p, int64_t count) const { _mm512_mask_storeu_ps(p, first(count), v); }
};
// The second where one is NaN.
inline Wide<float> greater(Wide<float> a, Wide<float> b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Wide<float> lesser(Wide<float> a, Wide<float> b) { return {_mm512_min_ps(a.v, b.v)}; }

template <>
struct Wide<int8_t> {
  static constexpr int kCount = 64;
  __m512i v;
  static Wide of(int8_t x) { return {_mm512_set1_epi8(static_cast<char>(x))}; }
  static Wide lowest() { return of(INT8_MIN); }
  static Wide load(const int8_t* p) { return {_mm512_loadu_si512(p)}; }
  static Wide load_part(const int8_t* p, int64_t count) { return {_mm512_maskz_loadu_epi8(mask(count), p)}; }
  void store(int8_t* p) const { _mm512_storeu_si512(p, v); }
  void store_part(int8_t* p, int64_t count) const { _mm512_mask_storeu_epi8(p, mask(count), v); }
  static __mmask64 mask(int64_t count) { return static_cast<__mmask64>((uint64_t{1} << count) - 1); }
};
inline Wide<int8_t> greater(Wide<int8_t> a, Wide<int8_t> b) { return {_mm512_max_epi8(a.v, b.v)}; }
inline Wide<int8_t> lesser(Wide<int8_t> a, Wide<int8_t> b) { return {_mm512_min_epi8(a.v, b.v)}; }

template <>
struct Wide<uint8_t> {
  static constexpr int kCount = 64;
  __m512i v;
  static Wide of(uint8_t x) { return {_mm512_set1_epi8(static_cast<char>(x))}; }
  static Wide lowest() { return of(0); }
  static Wide load(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  static Wide load_part(const uint8_t* p, int64_t count) { return {_mm512_maskz_loadu_epi8(mask(count), p)}; }
  void store(uint8_t* p) const { _mm512_storeu_si512(p, v); }
  void store_part(uint8_t* p, int64_t count) const { _mm512_mask_storeu_epi8(p, mask(count), v); }
  static __mmask64 mask(int64_t count) { return static_cast<__mmask64>((uint64_t{1} << count) - 1); }
};
inline Wide<uint8_t> greater(Wide<uint8_t> a, Wide<uint8_t> b) { return {_mm512_max_epu8(a.v, b.v)}; }
inline Wide<uint8_t> lesser(Wide<uint8_t> a, Wide<uint8_t> b) { return {_mm512_min_epu8(a.v, b.v)}; }

template <>
struct Wide<int16_t> {
  static constexpr int kCount = 32;
  __m512i v;
  static Wide of(int16_t x) { return {_mm512_set1_epi16(static_cast<short>(x))}; }
  static Wide lowest() { return of(INT16_MIN); }
  static Wide load(const int16_t* p) { return {_mm512_loadu_si512(p)}; }
  static Wide load_part(const int16_t* p, int64_t count) { return {_mm512_maskz_loadu_epi16(mask(count), p)}; }
  void store(int16_t* p) const { _mm512_storeu_si512(p, v); }
  void store_part(int16_t* p, int64_t count) const { _mm512_mask_storeu_epi16(p, mask(count), v); }
  static __mmask32 mask(int64_t count) { return static_cast<__mmask32>((uint64_t{1} << count) - 1); }
};
inline Wide<int16_t> greater(Wide<int16_t> a, Wide<int16_t> b) { return {_mm512_max_epi16(a.v, b.v)}; }
inline Wide<int16_t> lesser(Wide<int16_t> a, Wide<int16_t> b) { return {_mm512_min_epi16(a.v, b.v)}; }

}  // namespace
}  // namespace subgraft
