// What the kernels of images (resizing, pooling) need of AVX-512 beside the common lanes.
#pragma once

#include "micro/lanes_avx512.h"

namespace subgraft {
namespace {

inline void store_whole(int32_t* p, Ints x) { _mm512_storeu_si512(p, x); }
inline Floats to_real(Ints x) { return _mm512_cvtepi32_ps(x); }
inline Ints to_whole(Floats x) { return _mm512_cvttps_epi32(x); }  // towards zero

// (a * x + b * y) / 2^20 to nearest, halves away from zero; products of 64 bits, the low 32 bits of the result.
inline Ints weigh_wide(Ints a, Ints x, Ints b, Ints y) {
  const auto half = [](__m512i a2, __m512i x2, __m512i b2, __m512i y2) {
    const __m512i sum = _mm512_add_epi64(_mm512_mul_epi32(a2, x2), _mm512_mul_epi32(b2, y2));
    const __m512i rounded =
        _mm512_add_epi64(_mm512_add_epi64(sum, _mm512_set1_epi64(1 << 19)), _mm512_srai_epi64(sum, 63));
    return _mm512_srai_epi64(rounded, 20);
  };
  const __m512i even = half(a, x, b, y);
  const __m512i odd = half(_mm512_srli_epi64(a, 32), x, _mm512_srli_epi64(b, 32), y);
  return _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}

}  // namespace
}  // namespace subgraft
