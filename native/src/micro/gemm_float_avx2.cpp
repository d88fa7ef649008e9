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

}  // namespace
}  // namespace subgraft

#include "micro/gemm_float_body.h"
#include "micro/gemm_float_dots_body.h"

namespace subgraft {

const FloatGemm* float_gemm_avx2() {
  static constexpr FloatGemm kGemm = {kLanes, multiply, multiply_dots};
  return &kGemm;
}

}  // namespace subgraft
