#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

using Wide = __m512i;   // of 64 bits
using Short = __m256i;  // of 32 bits, as many
constexpr int kWide = 8;

inline Wide load_wide(const int64_t* p) { return _mm512_loadu_si512(p); }
inline Wide load_wide(const int32_t* p) { return _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i*)p)); }
inline Wide plus_wide(Wide a, Wide b) { return _mm512_add_epi64(a, b); }
inline Wide times_15_bits(Wide a, Wide b) { return _mm512_mullo_epi64(a, b); }
inline Wide half_of(Wide shift) {
  const Wide one = _mm512_set1_epi64(1);
  return _mm512_sllv_epi64(one, _mm512_sub_epi64(shift, one));
}
inline Wide shifted_right(Wide x, Wide shift) { return _mm512_srav_epi64(x, shift); }
inline Short clamped(Wide x, int32_t min, int32_t max) {
  const Short low = _mm512_cvtepi64_epi32(x);
  return _mm256_min_epi32(_mm256_max_epi32(low, _mm256_set1_epi32(min)), _mm256_set1_epi32(max));
}
inline __m512d real_of(Wide x) { return _mm512_cvtepi64_pd(x); }
inline __m512d times_real(__m512d x, const double* scales) { return _mm512_mul_pd(x, _mm512_loadu_pd(scales)); }
// To the nearest integer, ties away from zero.
inline Short rounded(__m512d x, int32_t min, int32_t max) {
  x = _mm512_min_pd(_mm512_max_pd(x, _mm512_set1_pd(min)), _mm512_set1_pd(max));
  const __m512d under_half = _mm512_set1_pd(0.49999999999999994);
  const __m512d sign = _mm512_and_pd(x, _mm512_set1_pd(-0.0));
  return _mm512_cvttpd_epi32(_mm512_add_pd(x, _mm512_or_pd(under_half, sign)));
}
inline void store_short(int16_t* p, Short x) { _mm_storeu_si128((__m128i*)p, _mm256_cvtepi32_epi16(x)); }
inline void store_short_part(int16_t* p, Short x, int64_t count) {
  _mm256_mask_cvtepi32_storeu_epi16(p, static_cast<__mmask8>((1u << count) - 1), x);
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/finish_wide_body.h"

namespace subgraft {

const FinishWide* finish_wide_avx512() { return &kFinishWide; }

}  // namespace subgraft
