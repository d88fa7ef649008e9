// Products of float32 matrices with AVX2.
#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

using V = __m256;
constexpr int kLanes = 8, kRegisters = 16;

inline __m256i first(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline V zero() { return _mm256_setzero_ps(); }
inline V load(const float* p) { return _mm256_loadu_ps(p); }
inline V load_first(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
inline V broadcast(const float* p) { return _mm256_broadcast_ss(p); }
inline void store(float* p, V v) { _mm256_storeu_ps(p, v); }
inline void store_first(float* p, V v, int n) { _mm256_maskstore_ps(p, first(n), v); }
inline V add(V a, V b) { return _mm256_add_ps(a, b); }
inline V multiply_add(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
inline V lower(V a, V b) { return _mm256_min_ps(a, b); }
inline V upper(V a, V b) { return _mm256_max_ps(a, b); }
inline float sum(V v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline V load_parts(const float* p, int64_t step) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + step), 1);
}
inline void transpose_parts(V (&v)[4]) {
  const __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(v[0], v[1]));
  const __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(v[2], v[3]));
  const __m256d high01 = _mm256_castps_pd(_mm256_unpackhi_ps(v[0], v[1]));
  const __m256d high23 = _mm256_castps_pd(_mm256_unpackhi_ps(v[2], v[3]));
  v[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
  v[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
  v[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
  v[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
}

}  // namespace
}  // namespace subgraft

#include "micro/gemm_float_body.h"
#include "micro/gemm_float_dots_body.h"
#include "micro/gemm_float_pack_body.h"

namespace subgraft {

const FloatGemm* float_gemm_avx2() {
  static constexpr FloatGemm kGemm = {kLanes, multiply, multiply_dots, pack_rows, pack_columns};
  return &kGemm;
}

}  // namespace subgraft
