// Products of float32 matrices with AVX-512.
#include <immintrin.h>

#include <cstdint>

#if defined(__GNUC__) && !defined(__clang__)
// The values that intrinsics leave undefined on purpose.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace subgraft {
namespace {

using V = __m512;
constexpr int kLanes = 16, kRegisters = 32;

inline __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }

inline V zero() { return _mm512_setzero_ps(); }
inline V load(const float* p) { return _mm512_loadu_ps(p); }
inline V load_first(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
inline V broadcast(const float* p) { return _mm512_set1_ps(*p); }
inline void store(float* p, V v) { _mm512_storeu_ps(p, v); }
inline void store_first(float* p, V v, int n) { _mm512_mask_storeu_ps(p, first(n), v); }
inline V add(V a, V b) { return _mm512_add_ps(a, b); }
inline V multiply_add(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
inline V lower(V a, V b) { return _mm512_min_ps(a, b); }
inline V upper(V a, V b) { return _mm512_max_ps(a, b); }
inline float sum(V v) { return _mm512_reduce_add_ps(v); }
inline V load_parts(const float* p, int64_t step) {
  V v = _mm512_castps128_ps512(_mm_loadu_ps(p));
  v = _mm512_insertf32x4(v, _mm_loadu_ps(p + step), 1);
  v = _mm512_insertf32x4(v, _mm_loadu_ps(p + 2 * step), 2);
  return _mm512_insertf32x4(v, _mm_loadu_ps(p + 3 * step), 3);
}
inline void transpose_parts(V (&v)[4]) {
  const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(v[0], v[1]));
  const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(v[2], v[3]));
  const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(v[0], v[1]));
  const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(v[2], v[3]));
  v[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
  v[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
  v[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
  v[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
}

}  // namespace
}  // namespace subgraft

#include "micro/gemm_float_body.h"
#include "micro/gemm_float_dots_body.h"
#include "micro/gemm_float_pack_body.h"

namespace subgraft {

namespace {

// So few columns do not fill a vector: half of one loads faster.
void multiply_any(const FloatProduct& p) {
  if (p.columns <= kLanes / 2)
    float_gemm_avx2()->multiply(p);
  else
    multiply(p);
}

}  // namespace

const FloatGemm* float_gemm_avx512() {
  static constexpr FloatGemm kGemm = {kLanes, multiply_any, multiply_dots, pack_rows, pack_columns};
  return &kGemm;
}

}  // namespace subgraft
