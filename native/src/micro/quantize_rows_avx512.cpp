#include "micro/lanes_avx512.h"

namespace subgraft {
namespace {

// What truncated() makes the least integer of, NaN too, or a number between its bounds.
inline Floats bounded_to_integers(Floats x) { return _mm512_min_ps(_mm512_set1_ps(1000), x); }

// Integers to bytes: those beyond 16 bits stay the least and the greatest there are.
struct FourVectors {
  __m512i zero, least, flip;
  FourVectors(int32_t zero_point, int32_t min, uint8_t mask)
      : zero(_mm512_set1_epi16(static_cast<int16_t>(zero_point))),
        least(_mm512_set1_epi8(static_cast<char>(min))),
        flip(_mm512_set1_epi8(static_cast<char>(mask))) {}
  void store(uint8_t* to, __m512i a, __m512i b, __m512i c, __m512i d) const {
    const __m512i first = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero);
    const __m512i second = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero);
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(first, second));
    _mm512_storeu_si512(to, _mm512_xor_si512(_mm512_max_epi8(bytes, least), flip));
  }
};

// One number of each of four vectors: their values meet in pairs, then in fours, in each part of 128 bits.
template <typename Better>
inline __m128 best_of_four(const Floats (&x)[4], const Better& better) {
  const __m512 ab = better(_mm512_unpacklo_ps(x[0], x[1]), _mm512_unpackhi_ps(x[0], x[1]));
  const __m512 cd = better(_mm512_unpacklo_ps(x[2], x[3]), _mm512_unpackhi_ps(x[2], x[3]));
  const __m512 low = _mm512_shuffle_ps(ab, cd, 0x44), high = _mm512_shuffle_ps(ab, cd, 0xee);
  const __m512 parts = better(low, high);
  const __m512 halves = better(parts, _mm512_shuffle_f32x4(parts, parts, 0x4e));
  return _mm512_castps512_ps128(better(halves, _mm512_shuffle_f32x4(halves, halves, 0xb1)));
}
inline void store_smallest(float* to, const Floats (&x)[4]) {
  _mm_storeu_ps(to, best_of_four(x, [](Floats a, Floats b) { return _mm512_min_ps(a, b); }));
}
inline void store_largest(float* to, const Floats (&x)[4]) {
  _mm_storeu_ps(to, best_of_four(x, [](Floats a, Floats b) { return _mm512_max_ps(a, b); }));
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/quantize_rows_body.h"

namespace subgraft {

const QuantizeRows* quantize_rows_avx512() { return &kQuantizeRows; }

}  // namespace subgraft
