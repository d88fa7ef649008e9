// AVX-512 vectors under names that the bodies shared with AVX2 use: included by files compiled for AVX-512 only.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

using Floats = __m512;
using Ints = __m512i;  // of 32 bits
constexpr int kLanes = 16;

inline __mmask16 first(int64_t count) { return static_cast<__mmask16>((1u << count) - 1); }

inline Floats broadcast(float x) { return _mm512_set1_ps(x); }
inline Ints broadcast(int32_t x) { return _mm512_set1_epi32(x); }

inline Floats load(const float* p) { return _mm512_loadu_ps(p); }
inline Ints load(const int32_t* p) { return _mm512_loadu_si512(p); }
inline Ints load(const int16_t* p) { return _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i*)p)); }
inline Ints load(const int8_t* p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)); }
inline Ints load(const uint8_t* p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)); }

// The first `count` values, 0 < count < kLanes; `other` in the rest.
inline Floats load_part(const float* p, int64_t count, Floats other) {
  return _mm512_mask_loadu_ps(other, first(count), p);
}
inline Ints load_part(const int16_t* p, int64_t count, Ints other) {
  const __m512i wide = _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(first(count), p));
  return _mm512_mask_mov_epi32(other, first(count), wide);
}
inline Ints load_part(const int8_t* p, int64_t count, Ints other) {
  const __m512i wide = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first(count), p));
  return _mm512_mask_mov_epi32(other, first(count), wide);
}
inline Ints load_part(const uint8_t* p, int64_t count, Ints other) {
  const __m512i wide = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(count), p));
  return _mm512_mask_mov_epi32(other, first(count), wide);
}
inline Floats keep_part(Floats x, int64_t count) { return _mm512_maskz_mov_ps(first(count), x); }
inline Ints keep_part(Ints x, int64_t count) { return _mm512_maskz_mov_epi32(first(count), x); }

inline void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
inline void store_part(float* p, Floats x, int64_t count) { _mm512_mask_storeu_ps(p, first(count), x); }
// The low bits of each value.
inline void store(int16_t* p, Ints x) { _mm256_storeu_si256((__m256i*)p, _mm512_cvtepi32_epi16(x)); }
inline void store(int8_t* p, Ints x) { _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8(x)); }
inline void store(uint8_t* p, Ints x) { _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8(x)); }
inline void store_part(int16_t* p, Ints x, int64_t count) { _mm512_mask_cvtepi32_storeu_epi16(p, first(count), x); }
inline void store_part(int8_t* p, Ints x, int64_t count) { _mm512_mask_cvtepi32_storeu_epi8(p, first(count), x); }
inline void store_part(uint8_t* p, Ints x, int64_t count) { _mm512_mask_cvtepi32_storeu_epi8(p, first(count), x); }

// b where either is NaN.
inline Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Ints max(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
inline Floats min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Ints min(Ints a, Ints b) { return _mm512_min_epi32(a, b); }
inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats times(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats plus(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats minus(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Ints plus(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
inline Ints minus(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
inline Ints times(Ints a, Ints b) { return _mm512_mullo_epi32(a, b); }
inline Ints bits(Floats x) { return _mm512_castps_si512(x); }
inline Floats real(Ints x) { return _mm512_castsi512_ps(x); }
inline Ints shift_left(Ints x, int by) { return _mm512_sll_epi32(x, _mm_cvtsi32_si128(by)); }
inline Ints shift_right(Ints x, int by) { return _mm512_sra_epi32(x, _mm_cvtsi32_si128(by)); }
inline Ints shift_right_unsigned(Ints x, int by) { return _mm512_srl_epi32(x, _mm_cvtsi32_si128(by)); }
inline Ints both(Ints a, Ints b) { return _mm512_and_si512(a, b); }
inline Ints add_where_greater(Ints x, Ints a, Ints b, Ints one) {
  return _mm512_mask_add_epi32(x, _mm512_cmpgt_epi32_mask(a, b), x, one);
}

inline Ints pick(const int32_t* table, Ints index) { return _mm512_i32gather_epi32(index, table, 4); }
// 32 bits at an index counted in 16 bits.
inline Ints pick_pair(const int16_t* table, Ints index) { return _mm512_i32gather_epi32(index, table, 2); }

inline float largest(Floats x) { return _mm512_reduce_max_ps(x); }
inline int32_t largest(Ints x) { return _mm512_reduce_max_epi32(x); }
inline float sum_of(Floats x) { return _mm512_reduce_add_ps(x); }
inline int64_t sum_of(Ints x) {
  return _mm512_reduce_add_epi64(_mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(x)),
                                                  _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(x, 1))));
}

inline Floats magnitude(Floats x) { return _mm512_abs_ps(x); }
// y with the sign of x; y > 0.
inline Floats with_sign(Floats y, Floats x) { return _mm512_or_ps(y, _mm512_and_ps(x, _mm512_set1_ps(-0.f))); }
inline Ints truncated(Floats x) { return _mm512_cvttps_epi32(x); }
inline float smallest(Floats x) { return _mm512_reduce_min_ps(x); }
inline Ints flipped(Ints x, Ints by) { return _mm512_xor_si512(x, by); }

// The high half of 2ab, rounded to nearest with ties upwards. Not both may be the minimum.
inline Ints doubling_high_multiply(Ints a, Ints b) {
  const __m512i half = _mm512_set1_epi64(1 << 30);
  const __m512i even = _mm512_srli_epi64(_mm512_add_epi64(_mm512_mul_epi32(a, b), half), 31);
  const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32)), half);
  return _mm512_mask_mov_epi32(even, 0xaaaa, _mm512_add_epi64(odd, odd));
}

}  // namespace
}  // namespace subgraft
