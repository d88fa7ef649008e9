#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

constexpr int kRows = 8;
typedef double Reals __attribute__((vector_size(64)));

inline Reals all(double x) { return (Reals)_mm512_set1_pd(x); }
inline Reals load_reals(const double* p) { return (Reals)_mm512_loadu_pd(p); }
inline void store_reals(double* p, Reals x) { _mm512_storeu_pd(p, (__m512d)x); }

// Four columns of all rows.
struct Four {
  Reals reals[4];
};

// Four by four within each half of 128 bits.
inline void transpose(__m256 (&x)[4]) {
  const __m256 a = _mm256_unpacklo_ps(x[0], x[1]), b = _mm256_unpackhi_ps(x[0], x[1]);
  const __m256 c = _mm256_unpacklo_ps(x[2], x[3]), d = _mm256_unpackhi_ps(x[2], x[3]);
  x[0] = _mm256_shuffle_ps(a, c, 0x44);
  x[1] = _mm256_shuffle_ps(a, c, 0xee);
  x[2] = _mm256_shuffle_ps(b, d, 0x44);
  x[3] = _mm256_shuffle_ps(b, d, 0xee);
}

inline Four load_four(const float* const (&rows)[kRows]) {
  __m256 x[4];
  for (int r = 0; r < 4; ++r)
    x[r] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows[r])), _mm_loadu_ps(rows[r + 4]), 1);
  transpose(x);
  Four four;
  for (int i = 0; i < 4; ++i) four.reals[i] = (Reals)_mm512_cvtps_pd(x[i]);
  return four;
}

inline void store_four(const Four& four, float* const (&rows)[kRows]) {
  __m256 x[4];
  for (int i = 0; i < 4; ++i) x[i] = _mm512_cvtpd_ps((__m512d)four.reals[i]);
  transpose(x);
  for (int r = 0; r < 4; ++r) {
    _mm_storeu_ps(rows[r], _mm256_castps256_ps128(x[r]));
    _mm_storeu_ps(rows[r + 4], _mm256_extractf128_ps(x[r], 1));
  }
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/rfft_body.h"

namespace subgraft {

const RealTransform* real_transform_avx512();

const RealTransform* real_transform_avx512() { return &kRealTransform; }

}  // namespace subgraft
