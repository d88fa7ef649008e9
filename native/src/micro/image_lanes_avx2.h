// What the kernels of images (resizing, pooling) need of AVX2 beside the common lanes.
#pragma once

#include "micro/lanes_avx2.h"

namespace subgraft {
namespace {

inline void store_whole(int32_t* p, Ints x) { _mm256_storeu_si256((__m256i*)p, x); }
inline Floats to_real(Ints x) { return _mm256_cvtepi32_ps(x); }
inline Ints to_whole(Floats x) { return _mm256_cvttps_epi32(x); }  // towards zero

// (a * x + b * y) / 2^20 to nearest, halves away from zero; products of 64 bits, the low 32 bits of the result.
inline Ints weigh_wide(Ints a, Ints x, Ints b, Ints y) {
  const auto half = [](__m256i a2, __m256i x2, __m256i b2, __m256i y2) {
    const __m256i sum = _mm256_add_epi64(_mm256_mul_epi32(a2, x2), _mm256_mul_epi32(b2, y2));
    const __m256i sign = _mm256_cmpgt_epi64(_mm256_setzero_si256(), sum);
    return _mm256_add_epi64(_mm256_add_epi64(sum, _mm256_set1_epi64x(1 << 19)), sign);
  };
  // Bits 20 to 51 are the same whether the shift keeps the sign or not.
  const __m256i even = _mm256_srli_epi64(half(a, x, b, y), 20);
  const __m256i odd = _mm256_slli_epi64(half(_mm256_srli_epi64(a, 32), x, _mm256_srli_epi64(b, 32), y), 12);
  return _mm256_blend_epi32(even, odd, 0xaa);
}

}  // namespace
}  // namespace subgraft
