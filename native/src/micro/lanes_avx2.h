// AVX2 vectors under names that the bodies shared with AVX-512 use: included by files compiled for AVX2 only.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

using Floats = __m256;
using Ints = __m256i;  // of 32 bits
constexpr int kLanes = 8;

inline __m256i first(int64_t count) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(count)), index);
}

inline Floats broadcast(float x) { return _mm256_set1_ps(x); }
inline Ints broadcast(int32_t x) { return _mm256_set1_epi32(x); }

inline Floats load(const float* p) { return _mm256_loadu_ps(p); }
inline Ints load(const int32_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
inline Ints load(const int16_t* p) { return _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i*)p)); }
inline Ints load(const int8_t* p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)); }
inline Ints load(const uint8_t* p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)); }

// The first `count` values, 0 < count < kLanes; `other` in the rest.
inline Floats load_part(const float* p, int64_t count, Floats other) {
  const __m256i mask = first(count);
  return _mm256_blendv_ps(other, _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
template <typename T>
inline Ints load_part(const T* p, int64_t count, Ints other) {
  T values[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) values[i] = p[i];
  return _mm256_blendv_epi8(other, load(values), first(count));
}
inline Floats keep_part(Floats x, int64_t count) { return _mm256_and_ps(x, _mm256_castsi256_ps(first(count))); }
inline Ints keep_part(Ints x, int64_t count) { return _mm256_and_si256(x, first(count)); }

inline void store(float* p, Floats x) { _mm256_storeu_ps(p, x); }
inline void store_part(float* p, Floats x, int64_t count) { _mm256_maskstore_ps(p, first(count), x); }
// The low bits of each value.
inline void store(int16_t* p, Ints x) {
  const __m256i low = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1, 0, 1, 4, 5, 8, 9, 12,
                                       13, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i halves = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(x, low), 0x08);
  _mm_storeu_si128((__m128i*)p, _mm256_castsi256_si128(halves));
}
inline void store(int8_t* p, Ints x) {
  const __m256i low = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12, -1, -1,
                                       -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i halves = _mm256_shuffle_epi8(x, low);
  _mm_storel_epi64((__m128i*)p,
                   _mm_unpacklo_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
}
inline void store(uint8_t* p, Ints x) { store(reinterpret_cast<int8_t*>(p), x); }
template <typename T>
inline void store_part(T* p, Ints x, int64_t count) {
  T values[kLanes];
  store(values, x);
  for (int64_t i = 0; i < count; ++i) p[i] = values[i];
}

// b where either is NaN.
inline Floats max(Floats a, Floats b) { return _mm256_max_ps(a, b); }
inline Ints max(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
inline Floats min(Floats a, Floats b) { return _mm256_min_ps(a, b); }
inline Ints min(Ints a, Ints b) { return _mm256_min_epi32(a, b); }
inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
inline Floats times(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
inline Floats plus(Floats a, Floats b) { return _mm256_add_ps(a, b); }
inline Floats minus(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
inline Ints plus(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
inline Ints minus(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
inline Ints times(Ints a, Ints b) { return _mm256_mullo_epi32(a, b); }
inline Ints bits(Floats x) { return _mm256_castps_si256(x); }
inline Floats real(Ints x) { return _mm256_castsi256_ps(x); }
inline Ints shift_left(Ints x, int by) { return _mm256_sll_epi32(x, _mm_cvtsi32_si128(by)); }
inline Ints shift_right(Ints x, int by) { return _mm256_sra_epi32(x, _mm_cvtsi32_si128(by)); }
inline Ints shift_right_unsigned(Ints x, int by) { return _mm256_srl_epi32(x, _mm_cvtsi32_si128(by)); }
inline Ints both(Ints a, Ints b) { return _mm256_and_si256(a, b); }
inline Ints add_where_greater(Ints x, Ints a, Ints b, Ints one) {
  return _mm256_add_epi32(x, _mm256_and_si256(_mm256_cmpgt_epi32(a, b), one));
}

inline Ints pick(const int32_t* table, Ints index) { return _mm256_i32gather_epi32(table, index, 4); }
// 32 bits at an index counted in 16 bits.
inline Ints pick_pair(const int16_t* table, Ints index) {
  return _mm256_i32gather_epi32(reinterpret_cast<const int*>(table), index, 2);
}

inline float largest(Floats x) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline int32_t largest(Ints x) {
  const __m128i four = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}
inline float sum_of(Floats x) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline int64_t sum_of(Ints x) {
  const __m256i wide = _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(x)),
                                        _mm256_cvtepi32_epi64(_mm256_extracti128_si256(x, 1)));
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  return _mm_cvtsi128_si64(two) + _mm_extract_epi64(two, 1);
}

inline Floats magnitude(Floats x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.f), x); }
// y with the sign of x; y > 0.
inline Floats with_sign(Floats y, Floats x) { return _mm256_or_ps(y, _mm256_and_ps(x, _mm256_set1_ps(-0.f))); }
inline Ints truncated(Floats x) { return _mm256_cvttps_epi32(x); }
inline float smallest(Floats x) {
  const __m128 four = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_min_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_min_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline Ints flipped(Ints x, Ints by) { return _mm256_xor_si256(x, by); }

// The high half of 2ab, rounded to nearest with ties upwards. Not both may be the minimum.
inline Ints doubling_high_multiply(Ints a, Ints b) {
  const __m256i half = _mm256_set1_epi64x(1 << 30);
  const __m256i even = _mm256_srli_epi64(_mm256_add_epi64(_mm256_mul_epi32(a, b), half), 31);
  const __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32)), half);
  return _mm256_blend_epi32(even, _mm256_add_epi64(odd, odd), 0xaa);
}

}  // namespace
}  // namespace subgraft
