// rescale() of core/fixed_point.h for eight values at once, exact for every value. Included by files that are compiled
// for AVX2.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

// What a vector of multipliers and shifts needs, made once for many vectors of values.
struct Rescale256 {
  __m256i even, odd;    // multipliers of the even and the odd lanes
  __m256i left, right;  // shifts
  __m256i mask, half;   // the bits that are shifted out, and half of them
};

// One multiplier and one shift (Multiplier::shift: positive to the left) for each lane.
[[gnu::always_inline]] inline Rescale256 make_rescale256(__m256i multiplier, __m256i shift) {
  const __m256i zero = _mm256_setzero_si256(), one = _mm256_set1_epi32(1);
  Rescale256 c;
  c.even = multiplier;
  c.odd = _mm256_srli_epi64(multiplier, 32);
  c.left = _mm256_max_epi32(shift, zero);
  c.right = _mm256_max_epi32(_mm256_sub_epi32(zero, shift), zero);
  c.mask = _mm256_sub_epi32(_mm256_sllv_epi32(one, c.right), one);
  c.half = _mm256_srli_epi32(c.mask, 1);
  return c;
}

// One multiplier for all lanes.
[[gnu::always_inline]] inline Rescale256 make_rescale256(int32_t multiplier, int32_t shift) {
  return make_rescale256(_mm256_set1_epi32(multiplier), _mm256_set1_epi32(shift));
}

// rescale(x, multiplier), where no shift is to the left. Multipliers are not negative.
[[gnu::always_inline]] inline __m256i rescale256_right(__m256i x, const Rescale256& c) {
  const __m256i round = _mm256_set1_epi64x(1 << 30);
  const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x, c.even), round);
  const __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), c.odd), round);
  const __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
  // Halves go away from zero: the threshold of negative numbers is one higher.
  const __m256i threshold = _mm256_sub_epi32(c.half, _mm256_srai_epi32(high, 31));
  const __m256i up = _mm256_cmpgt_epi32(_mm256_and_si256(high, c.mask), threshold);
  return _mm256_sub_epi32(_mm256_srav_epi32(high, c.right), up);
}

// rescale(x, multiplier). A left shift wraps around.
[[gnu::always_inline]] inline __m256i rescale256(__m256i x, const Rescale256& c) {
  return rescale256_right(_mm256_sllv_epi32(x, c.left), c);
}

}  // namespace
}  // namespace subgraft
