#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

constexpr int kRows = 4;
typedef double Reals __attribute__((vector_size(32)));

inline Reals all(double x) { return (Reals)_mm256_set1_pd(x); }
inline Reals load_reals(const double* p) { return (Reals)_mm256_loadu_pd(p); }
inline void store_reals(double* p, Reals x) { _mm256_storeu_pd(p, (__m256d)x); }

// Four columns of all rows.
struct Four {
  Reals reals[4];
};

inline Four load_four(const float* const (&rows)[kRows]) {
  __m128 x[4];
  for (int r = 0; r < 4; ++r) x[r] = _mm_loadu_ps(rows[r]);
  _MM_TRANSPOSE4_PS(x[0], x[1], x[2], x[3]);
  Four four;
  for (int i = 0; i < 4; ++i) four.reals[i] = (Reals)_mm256_cvtps_pd(x[i]);
  return four;
}

inline void store_four(const Four& four, float* const (&rows)[kRows]) {
  __m128 x[4];
  for (int i = 0; i < 4; ++i) x[i] = _mm256_cvtpd_ps((__m256d)four.reals[i]);
  _MM_TRANSPOSE4_PS(x[0], x[1], x[2], x[3]);
  for (int r = 0; r < 4; ++r) _mm_storeu_ps(rows[r], x[r]);
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/rfft_body.h"

namespace subgraft {

const RealTransform* real_transform_avx2();

const RealTransform* real_transform_avx2() { return &kRealTransform; }

}  // namespace subgraft
