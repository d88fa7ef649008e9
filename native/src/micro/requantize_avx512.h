// rescale() of core/fixed_point.h for sixteen values at once, exact for every value. Included by files that are
// compiled for AVX-512.
//
// Both roundings are one: floor(floor(a / p) / q) = floor(a / pq), so the result is
//   floor((x * multiplier + 2^30 + (2^(right - 1) - negative) * 2^31) / 2^(31 + right))   for right >= 1
//   floor((x * multiplier + 2^30) / 2^31)                                                 for right == 0
// where `negative` is 1 for x < 0: ties go away from zero. Multipliers are 0 or at least 2^30 (quantize_multiplier).
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

// What a vector of multipliers and shifts needs, made once for many vectors of values. Lanes of 64 bits hold what
// belongs to the even and to the odd lanes of 32 bits.
struct Rescale512 {
  __m512i even, odd;              // multipliers
  __m512i left;                   // shifts of 32-bit lanes
  __m512i round_even, round_odd;  // added before the shift
  __m512i sign_even, sign_odd;    // the bit that says that a value is negative, where that matters
  __m512i right_even, right_odd;  // 31 + shift to the right
};

// One multiplier and one shift (Multiplier::shift: positive to the left) for each lane.
[[gnu::always_inline]] inline Rescale512 make_rescale512(__m512i multiplier, __m512i shift) {
  const __m512i zero = _mm512_setzero_si512(), low = _mm512_set1_epi64(0xffffffff);
  const __m512i right = _mm512_max_epi32(_mm512_sub_epi32(zero, shift), zero);
  const __m512i one = _mm512_set1_epi64(1), first = _mm512_set1_epi64(1 << 30);
  Rescale512 c;
  c.left = _mm512_max_epi32(shift, zero);
  c.even = multiplier;
  c.odd = _mm512_srli_epi64(multiplier, 32);
  const __m512i even = _mm512_and_si512(right, low), odd = _mm512_srli_epi64(right, 32);
  const __mmask8 any_even = _mm512_test_epi64_mask(even, even), any_odd = _mm512_test_epi64_mask(odd, odd);
  const __m512i sign = _mm512_set1_epi64(0x80000000), thirty = _mm512_set1_epi64(30), shift31 = _mm512_set1_epi64(31);
  c.round_even = _mm512_mask_add_epi64(first, any_even, first, _mm512_sllv_epi64(one, _mm512_add_epi64(even, thirty)));
  c.round_odd = _mm512_mask_add_epi64(first, any_odd, first, _mm512_sllv_epi64(one, _mm512_add_epi64(odd, thirty)));
  c.sign_even = _mm512_maskz_mov_epi64(any_even, sign);
  c.sign_odd = _mm512_maskz_mov_epi64(any_odd, sign);
  c.right_even = _mm512_add_epi64(even, shift31);
  c.right_odd = _mm512_add_epi64(odd, shift31);
  return c;
}

// One multiplier for all lanes.
[[gnu::always_inline]] inline Rescale512 make_rescale512(int32_t multiplier, int32_t shift) {
  return make_rescale512(_mm512_set1_epi32(multiplier), _mm512_set1_epi32(shift));
}

// rescale(x, multiplier), where no shift is to the left: c.left is zero everywhere.
[[gnu::always_inline]] inline __m512i rescale512_right(__m512i x, const Rescale512& c) {
  const __m512i high = _mm512_srli_epi64(x, 32);
  __m512i even = _mm512_add_epi64(_mm512_mul_epi32(x, c.even), c.round_even);
  __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(high, c.odd), c.round_odd);
  even = _mm512_sub_epi64(even, _mm512_and_si512(x, c.sign_even));
  odd = _mm512_sub_epi64(odd, _mm512_and_si512(high, c.sign_odd));
  even = _mm512_srav_epi64(even, c.right_even);
  odd = _mm512_slli_epi64(_mm512_srav_epi64(odd, c.right_odd), 32);
  return _mm512_mask_blend_epi32(0xaaaa, even, odd);
}

// rescale(x, multiplier). A left shift wraps around.
[[gnu::always_inline]] inline __m512i rescale512(__m512i x, const Rescale512& c) {
  return rescale512_right(_mm512_sllv_epi32(x, c.left), c);
}

}  // namespace
}  // namespace subgraft
