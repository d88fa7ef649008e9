#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

using Wide = __m256i;   // of 64 bits
using Short = __m128i;  // of 32 bits, as many
constexpr int kWide = 4;

inline Wide load_wide(const int64_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
inline Wide load_wide(const int32_t* p) { return _mm256_cvtepi32_epi64(_mm_loadu_si128((const __m128i*)p)); }
inline Wide plus_wide(Wide a, Wide b) { return _mm256_add_epi64(a, b); }
inline Wide times_15_bits(Wide a, Wide b) {
  const Wide high = _mm256_slli_epi64(_mm256_mul_epu32(_mm256_srli_epi64(a, 32), b), 32);
  return _mm256_add_epi64(_mm256_mul_epu32(a, b), high);
}
inline Wide half_of(Wide shift) {
  const Wide one = _mm256_set1_epi64x(1);
  return _mm256_sllv_epi64(one, _mm256_sub_epi64(shift, one));
}
inline Wide shifted_right(Wide x, Wide shift) {
  const Wide sign = _mm256_cmpgt_epi64(_mm256_setzero_si256(), x);
  return _mm256_xor_si256(_mm256_srlv_epi64(_mm256_xor_si256(x, sign), shift), sign);
}
inline Short clamped(Wide x, int32_t min, int32_t max) {
  const Wide low = _mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
  return _mm_min_epi32(_mm_max_epi32(_mm256_castsi256_si128(low), _mm_set1_epi32(min)), _mm_set1_epi32(max));
}
inline __m256d real_of(Wide x) {
  // 1.5 * 2^52: a sum with it has its integer, under 2^51 in magnitude, in the low bits.
  const Wide offset = _mm256_set1_epi64x(0x4338000000000000);
  const Wide above = _mm256_srli_epi64(_mm256_add_epi64(x, _mm256_set1_epi64x(int64_t{1} << 51)), 52);
  if (_mm256_testz_si256(above, above))
    return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_add_epi64(x, offset)), _mm256_castsi256_pd(offset));
  alignas(32) int64_t numbers[kWide];
  _mm256_store_si256((__m256i*)numbers, x);
  return _mm256_setr_pd(static_cast<double>(numbers[0]), static_cast<double>(numbers[1]),
                        static_cast<double>(numbers[2]), static_cast<double>(numbers[3]));
}
inline __m256d times_real(__m256d x, const double* scales) { return _mm256_mul_pd(x, _mm256_loadu_pd(scales)); }
// To the nearest integer, ties away from zero.
inline Short rounded(__m256d x, int32_t min, int32_t max) {
  x = _mm256_min_pd(_mm256_max_pd(x, _mm256_set1_pd(min)), _mm256_set1_pd(max));
  const __m256d under_half = _mm256_set1_pd(0.49999999999999994);
  const __m256d sign = _mm256_and_pd(x, _mm256_set1_pd(-0.0));
  return _mm256_cvttpd_epi32(_mm256_add_pd(x, _mm256_or_pd(under_half, sign)));
}
inline void store_short(int16_t* p, Short x) { _mm_storel_epi64((__m128i*)p, _mm_packs_epi32(x, x)); }
inline void store_short_part(int16_t* p, Short x, int64_t count) {
  alignas(16) int32_t numbers[kWide];
  _mm_store_si128((__m128i*)numbers, x);
  for (int64_t i = 0; i < count; ++i) p[i] = static_cast<int16_t>(numbers[i]);
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/finish_wide_body.h"

namespace subgraft {

const FinishWide* finish_wide_avx2() { return &kFinishWide; }

}  // namespace subgraft
