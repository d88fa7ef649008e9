// Eight lanes of 32 bits, as in vector_avx512.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

constexpr int64_t kLanes = 8;
typedef float Floats __attribute__((vector_size(32)));
typedef int32_t Ints __attribute__((vector_size(32)));

inline Floats floats(float x) { return (Floats)_mm256_set1_ps(x); }
inline Ints ints(int32_t x) { return (Ints)_mm256_set1_epi32(x); }

// Memory as lanes: small integers are widened. With n: the first n lanes, of 0 < n < kLanes; the others are 0.
inline __m256i lanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Floats load(const float* p) { return (Floats)_mm256_loadu_ps(p); }
inline Floats load(const float* p, int64_t n) { return (Floats)_mm256_maskload_ps(p, lanes(n)); }
inline Ints load(const int32_t* p) { return (Ints)_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline Ints load(const int32_t* p, int64_t n) { return (Ints)_mm256_maskload_epi32(p, lanes(n)); }
inline Ints load(const int16_t* p) {
  return (Ints)_mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Ints load(const int8_t* p) {
  return (Ints)_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline Ints load(const uint8_t* p) {
  return (Ints)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
template <typename T>
inline Ints load(const T* p, int64_t n) {
  T first[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) first[i] = p[i];
  return load(first);
}

// Lanes as memory. Narrowed integers must fit.
inline void store(float* p, Floats x) { _mm256_storeu_ps(p, (__m256)x); }
inline void store(float* p, Floats x, int64_t n) { _mm256_maskstore_ps(p, lanes(n), (__m256)x); }
inline void store(int32_t* p, Ints x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), (__m256i)x); }
inline void store(int32_t* p, Ints x, int64_t n) { _mm256_maskstore_epi32(p, lanes(n), (__m256i)x); }
inline __m128i narrowed(Ints x) {
  return _mm_packs_epi32(_mm256_castsi256_si128((__m256i)x), _mm256_extracti128_si256((__m256i)x, 1));
}
inline void store(int16_t* p, Ints x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrowed(x)); }
inline void store(int8_t* p, Ints x) {
  const __m128i words = narrowed(x);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}
inline void store(uint8_t* p, Ints x) {
  const __m128i words = narrowed(x);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}
template <typename T>
inline void store(T* p, Ints x, int64_t n) {
  T all[kLanes];
  store(all, x);
  for (int64_t i = 0; i < n; ++i) p[i] = all[i];
}

// a > b ? a : b and a < b ? a : b: of a NaN the second.
inline Floats max(Floats a, Floats b) { return (Floats)_mm256_max_ps((__m256)a, (__m256)b); }
inline Floats min(Floats a, Floats b) { return (Floats)_mm256_min_ps((__m256)a, (__m256)b); }
inline Ints max(Ints a, Ints b) { return (Ints)_mm256_max_epi32((__m256i)a, (__m256i)b); }
inline Ints min(Ints a, Ints b) { return (Ints)_mm256_min_epi32((__m256i)a, (__m256i)b); }

inline Floats fma(Floats a, Floats b, Floats c) { return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
inline Floats sqrt(Floats x) { return (Floats)_mm256_sqrt_ps((__m256)x); }
inline Floats abs(Floats x) { return (Floats)((Ints)x & INT32_MAX); }
inline Floats copy_sign(Floats magnitude, Floats sign) {
  return (Floats)(((Ints)magnitude & INT32_MAX) | ((Ints)sign & INT32_MIN));
}
inline Floats round_to_even(Floats x) {
  return (Floats)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Floats round_down(Floats x) { return (Floats)_mm256_floor_ps((__m256)x); }
inline Floats round_up(Floats x) { return (Floats)_mm256_ceil_ps((__m256)x); }
inline Ints truncate(Floats x) { return (Ints)_mm256_cvttps_epi32((__m256)x); }
inline Ints nearest(Floats x) { return (Ints)_mm256_cvtps_epi32((__m256)x); }  // ties to even
inline Floats to_floats(Ints x) { return (Floats)_mm256_cvtepi32_ps((__m256i)x); }
// x * 2^exponent for whole exponents of at most 250, rounded once: the first half of them is exact.
inline Floats scale_by_power(Floats x, Floats exponent) {
  const Ints whole = truncate(exponent), half = whole >> 1;
  return x * (Floats)((half + 127) << 23) * (Floats)((whole - half + 127) << 23);
}

// (a * b + 2^30) >> 31.
inline Ints doubling_high_multiply(Ints a, Ints b) {
  const __m256i half = _mm256_set1_epi64x(int64_t{1} << 30);
  const __m256i even = _mm256_srli_epi64(_mm256_add_epi64(_mm256_mul_epi32((__m256i)a, (__m256i)b), half), 31);
  const __m256i a_odd = _mm256_srli_epi64((__m256i)a, 32), b_odd = _mm256_srli_epi64((__m256i)b, 32);
  const __m256i odd = _mm256_slli_epi64(_mm256_add_epi64(_mm256_mul_epi32(a_odd, b_odd), half), 1);
  return (Ints)_mm256_blend_epi32(even, odd, 0xaa);
}
// a * b for numbers of 16 bits.
inline Ints multiply_16_bits(Ints a, Ints b) {
  return (Ints)_mm256_madd_epi16((__m256i)a, _mm256_and_si256((__m256i)b, _mm256_set1_epi32(0xffff)));
}

// Lane i of the result is lane i ^ distance: 1, 2 or 4.
template <int distance>
inline Floats exchange(Floats x) {
  if constexpr (distance == 4) return (Floats)_mm256_permute2f128_ps((__m256)x, (__m256)x, 1);
  return (Floats)_mm256_permute_ps((__m256)x, distance == 2 ? 0x4e : 0xb1);
}
template <int distance>
inline Ints exchange(Ints x) {
  return (Ints)exchange<distance>((Floats)x);
}

// The 32 bits at each offset in bytes.
inline Ints gather(const void* base, Ints offsets) {
  return (Ints)_mm256_i32gather_epi32(static_cast<const int*>(base), (__m256i)offsets, 1);
}

}  // namespace
}  // namespace subgraft
