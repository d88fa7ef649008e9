// Sixteen lanes of 32 bits. vector_avx2.h offers the same functions with eight; *_body.h files are written for both.
#pragma once

// GCC's own headers leave registers undefined on purpose, and it warns about them.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

constexpr int64_t kLanes = 16;
typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));

inline Floats floats(float x) { return (Floats)_mm512_set1_ps(x); }
inline Ints ints(int32_t x) { return (Ints)_mm512_set1_epi32(x); }

// Memory as lanes: small integers are widened. With n: the first n lanes, of 0 < n < kLanes; the others are 0.
inline __mmask16 lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
inline Floats load(const float* p) { return (Floats)_mm512_loadu_ps(p); }
inline Floats load(const float* p, int64_t n) { return (Floats)_mm512_maskz_loadu_ps(lanes(n), p); }
inline Ints load(const int32_t* p) { return (Ints)_mm512_loadu_si512(p); }
inline Ints load(const int32_t* p, int64_t n) { return (Ints)_mm512_maskz_loadu_epi32(lanes(n), p); }
inline Ints load(const int16_t* p) {
  return (Ints)_mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Ints load(const int16_t* p, int64_t n) {
  return (Ints)_mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(lanes(n), p));
}
inline Ints load(const int8_t* p) {
  return (Ints)_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Ints load(const int8_t* p, int64_t n) { return (Ints)_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes(n), p)); }
inline Ints load(const uint8_t* p) {
  return (Ints)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Ints load(const uint8_t* p, int64_t n) { return (Ints)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes(n), p)); }

// Lanes as memory. Narrowed integers must fit.
inline void store(float* p, Floats x) { _mm512_storeu_ps(p, (__m512)x); }
inline void store(float* p, Floats x, int64_t n) { _mm512_mask_storeu_ps(p, lanes(n), (__m512)x); }
inline void store(int32_t* p, Ints x) { _mm512_storeu_si512(p, (__m512i)x); }
inline void store(int32_t* p, Ints x, int64_t n) { _mm512_mask_storeu_epi32(p, lanes(n), (__m512i)x); }
inline void store(int16_t* p, Ints x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16((__m512i)x));
}
inline void store(int16_t* p, Ints x, int64_t n) {
  _mm256_mask_storeu_epi16(p, lanes(n), _mm512_cvtepi32_epi16((__m512i)x));
}
inline void store(int8_t* p, Ints x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8((__m512i)x));
}
inline void store(int8_t* p, Ints x, int64_t n) { _mm_mask_storeu_epi8(p, lanes(n), _mm512_cvtepi32_epi8((__m512i)x)); }
inline void store(uint8_t* p, Ints x) { store(reinterpret_cast<int8_t*>(p), x); }
inline void store(uint8_t* p, Ints x, int64_t n) { store(reinterpret_cast<int8_t*>(p), x, n); }

// a > b ? a : b and a < b ? a : b: of a NaN the second.
inline Floats max(Floats a, Floats b) { return (Floats)_mm512_max_ps((__m512)a, (__m512)b); }
inline Floats min(Floats a, Floats b) { return (Floats)_mm512_min_ps((__m512)a, (__m512)b); }
inline Ints max(Ints a, Ints b) { return (Ints)_mm512_max_epi32((__m512i)a, (__m512i)b); }
inline Ints min(Ints a, Ints b) { return (Ints)_mm512_min_epi32((__m512i)a, (__m512i)b); }

inline Floats fma(Floats a, Floats b, Floats c) { return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
inline Floats sqrt(Floats x) { return (Floats)_mm512_sqrt_ps((__m512)x); }
inline Floats abs(Floats x) { return (Floats)_mm512_abs_ps((__m512)x); }
inline Floats copy_sign(Floats magnitude, Floats sign) {
  return (Floats)_mm512_ternarylogic_epi32((__m512i)magnitude, (__m512i)sign, _mm512_set1_epi32(INT32_MIN), 0xd8);
}
inline Floats round_to_even(Floats x) { return (Floats)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT); }
inline Floats round_down(Floats x) { return (Floats)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEG_INF); }
inline Floats round_up(Floats x) { return (Floats)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_POS_INF); }
inline Ints truncate(Floats x) { return (Ints)_mm512_cvttps_epi32((__m512)x); }
inline Ints nearest(Floats x) { return (Ints)_mm512_cvtps_epi32((__m512)x); }  // ties to even
inline Floats to_floats(Ints x) { return (Floats)_mm512_cvtepi32_ps((__m512i)x); }
// x * 2^exponent for whole exponents, rounded once.
inline Floats scale_by_power(Floats x, Floats exponent) {
  return (Floats)_mm512_scalef_ps((__m512)x, (__m512)exponent);
}

// (a * b + 2^30) >> 31.
inline Ints doubling_high_multiply(Ints a, Ints b) {
  const __m512i half = _mm512_set1_epi64(int64_t{1} << 30);
  const __m512i even = _mm512_srli_epi64(_mm512_add_epi64(_mm512_mul_epi32((__m512i)a, (__m512i)b), half), 31);
  const __m512i a_odd = _mm512_srli_epi64((__m512i)a, 32), b_odd = _mm512_srli_epi64((__m512i)b, 32);
  const __m512i odd = _mm512_slli_epi64(_mm512_add_epi64(_mm512_mul_epi32(a_odd, b_odd), half), 1);
  return (Ints)_mm512_mask_blend_epi32(0xaaaa, even, odd);
}
// a * b for numbers of 16 bits.
inline Ints multiply_16_bits(Ints a, Ints b) {
  return (Ints)_mm512_madd_epi16((__m512i)a, _mm512_and_si512((__m512i)b, _mm512_set1_epi32(0xffff)));
}

// Lane i of the result is lane i ^ distance: 1, 2, 4 or 8.
template <int distance>
inline Floats exchange(Floats x) {
  if constexpr (distance == 8) return (Floats)_mm512_shuffle_f32x4((__m512)x, (__m512)x, 0x4e);
  if constexpr (distance == 4) return (Floats)_mm512_shuffle_f32x4((__m512)x, (__m512)x, 0xb1);
  return (Floats)_mm512_permute_ps((__m512)x, distance == 2 ? 0x4e : 0xb1);
}
template <int distance>
inline Ints exchange(Ints x) {
  return (Ints)exchange<distance>((Floats)x);
}

// The 32 bits at each offset in bytes.
inline Ints gather(const void* base, Ints offsets) { return (Ints)_mm512_i32gather_epi32((__m512i)offsets, base, 1); }

}  // namespace
}  // namespace subgraft
