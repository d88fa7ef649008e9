// What the kernels of images (resizing, pooling) need of AVX2 beside the common lanes.
#pragma once

#include "micro/lanes_avx2.h"

namespace subgraft {
namespace {

inline void store_whole(int32_t* p, Ints x) { _mm256_storeu_si256((__m256i*)p, x); }
inline Floats to_real(Ints x) { return _mm256_cvtepi32_ps(x); }
inline Ints to_whole(Floats x) { return _mm256_cvttps_epi32(x); }  // towards zero

// (a * x + b * y) / 2^20 to nearest, halves away from zero; products of 64 bits, the low 32 bits of the result.
inline Ints weigh_wide(Ints a, Ints x, Ints b, Ints y) {
  const auto half = [](__m256i a2, __m256i x2, __m256i b2, __m256i y2) {
    const __m256i sum = _mm256_add_epi64(_mm256_mul_epi32(a2, x2), _mm256_mul_epi32(b2, y2));
    const __m256i sign = _mm256_cmpgt_epi64(_mm256_setzero_si256(), sum);
    return _mm256_add_epi64(_mm256_add_epi64(sum, _mm256_set1_epi64x(1 << 19)), sign);
  };
  // Bits 20 to 51 are the same whether the shift keeps the sign or not.
  const __m256i even = _mm256_srli_epi64(half(a, x, b, y), 20);
  const __m256i odd = _mm256_slli_epi64(half(_mm256_srli_epi64(a, 32), x, _mm256_srli_epi64(b, 32), y), 12);
  return _mm256_blend_epi32(even, odd, 0xaa);
}

inline Floats divided(Floats a, Floats b) { return _mm256_div_ps(a, b); }
// x, or -x where y is not positive.
inline Ints with_sign_of(Ints x, Ints y) {
  const __m256i keep = _mm256_cmpgt_epi32(y, _mm256_setzero_si256());
  return _mm256_blendv_epi8(_mm256_sub_epi32(_mm256_setzero_si256(), x), x, keep);
}

// Vectors of 32 bytes.
template <typename T>
struct Wide;
template <>
struct Wide<float> {
  static constexpr int kCount = 8;
  __m256 v;
  static Wide of(float x) { return {_mm256_set1_ps(x)}; }
  static Wide lowest() { return of(-__FLT_MAX__); }
  static Wide load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Wide load_part(const float* p, int64_t count) { return {_mm256_maskload_ps(p, first(count))}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store_part(float* p, int64_t count) const { _mm256_maskstore_ps(p, first(count), v); }
};
// The second where one is NaN.
inline Wide<float> greater(Wide<float> a, Wide<float> b) { return {_mm256_max_ps(a.v, b.v)}; }
inline Wide<float> lesser(Wide<float> a, Wide<float> b) { return {_mm256_min_ps(a.v, b.v)}; }

template <>
struct Wide<int8_t> {
  static constexpr int kCount = 32;
  __m256i v;
  static Wide of(int8_t x) { return {_mm256_set1_epi8(static_cast<char>(x))}; }
  static Wide lowest() { return of(INT8_MIN); }
  static Wide load(const int8_t* p) { return {_mm256_loadu_si256((const __m256i*)p)}; }
  static Wide load_part(const int8_t* p, int64_t count) {
    int8_t values[kCount] = {};
    __builtin_memcpy(values, p, static_cast<size_t>(count) * sizeof(int8_t));
    return load(values);
  }
  void store(int8_t* p) const { _mm256_storeu_si256((__m256i*)p, v); }
  void store_part(int8_t* p, int64_t count) const {
    int8_t values[kCount];
    store(values);
    __builtin_memcpy(p, values, static_cast<size_t>(count) * sizeof(int8_t));
  }
};
inline Wide<int8_t> greater(Wide<int8_t> a, Wide<int8_t> b) { return {_mm256_max_epi8(a.v, b.v)}; }
inline Wide<int8_t> lesser(Wide<int8_t> a, Wide<int8_t> b) { return {_mm256_min_epi8(a.v, b.v)}; }

template <>
struct Wide<uint8_t> {
  static constexpr int kCount = 32;
  __m256i v;
  static Wide of(uint8_t x) { return {_mm256_set1_epi8(static_cast<char>(x))}; }
  static Wide lowest() { return of(0); }
  static Wide load(const uint8_t* p) { return {_mm256_loadu_si256((const __m256i*)p)}; }
  static Wide load_part(const uint8_t* p, int64_t count) {
    uint8_t values[kCount] = {};
    __builtin_memcpy(values, p, static_cast<size_t>(count) * sizeof(uint8_t));
    return load(values);
  }
  void store(uint8_t* p) const { _mm256_storeu_si256((__m256i*)p, v); }
  void store_part(uint8_t* p, int64_t count) const {
    uint8_t values[kCount];
    store(values);
    __builtin_memcpy(p, values, static_cast<size_t>(count) * sizeof(uint8_t));
  }
};
inline Wide<uint8_t> greater(Wide<uint8_t> a, Wide<uint8_t> b) { return {_mm256_max_epu8(a.v, b.v)}; }
inline Wide<uint8_t> lesser(Wide<uint8_t> a, Wide<uint8_t> b) { return {_mm256_min_epu8(a.v, b.v)}; }

template <>
struct Wide<int16_t> {
  static constexpr int kCount = 16;
  __m256i v;
  static Wide of(int16_t x) { return {_mm256_set1_epi16(static_cast<short>(x))}; }
  static Wide lowest() { return of(INT16_MIN); }
  static Wide load(const int16_t* p) { return {_mm256_loadu_si256((const __m256i*)p)}; }
  static Wide load_part(const int16_t* p, int64_t count) {
    int16_t values[kCount] = {};
    __builtin_memcpy(values, p, static_cast<size_t>(count) * sizeof(int16_t));
    return load(values);
  }
  void store(int16_t* p) const { _mm256_storeu_si256((__m256i*)p, v); }
  void store_part(int16_t* p, int64_t count) const {
    int16_t values[kCount];
    store(values);
    __builtin_memcpy(p, values, static_cast<size_t>(count) * sizeof(int16_t));
  }
};
inline Wide<int16_t> greater(Wide<int16_t> a, Wide<int16_t> b) { return {_mm256_max_epi16(a.v, b.v)}; }
inline Wide<int16_t> lesser(Wide<int16_t> a, Wide<int16_t> b) { return {_mm256_min_epi16(a.v, b.v)}; }

}  // namespace
}  // namespace subgraft
