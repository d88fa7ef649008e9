#include "micro/lanes_avx2.h"

namespace subgraft {
namespace {

// What truncated() makes the least integer of, NaN too, or a number between its bounds.
inline Floats bounded_to_integers(Floats x) { return _mm256_min_ps(_mm256_set1_ps(1000), x); }

// Integers to bytes: those beyond 16 bits stay the least and the greatest there are.
struct FourVectors {
  __m256i zero, least, flip;
  FourVectors(int32_t zero_point, int32_t min, uint8_t mask)
      : zero(_mm256_set1_epi16(static_cast<int16_t>(zero_point))),
        least(_mm256_set1_epi8(static_cast<char>(min))),
        flip(_mm256_set1_epi8(static_cast<char>(mask))) {}
  void store(uint8_t* to, __m256i a, __m256i b, __m256i c, __m256i d) const {
    const __m256i first = _mm256_adds_epi16(_mm256_packs_epi32(a, b), zero);
    const __m256i second = _mm256_adds_epi16(_mm256_packs_epi32(c, d), zero);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, second), order);
    _mm256_storeu_si256((__m256i*)to, _mm256_xor_si256(_mm256_max_epi8(bytes, least), flip));
  }
};

// One number of each of four vectors: their values meet in pairs, then in fours, in each part of 128 bits.
template <typename Better>
inline __m128 best_of_four(const Floats (&x)[4], const Better& better) {
  const __m256 ab = better(_mm256_unpacklo_ps(x[0], x[1]), _mm256_unpackhi_ps(x[0], x[1]));
  const __m256 cd = better(_mm256_unpacklo_ps(x[2], x[3]), _mm256_unpackhi_ps(x[2], x[3]));
  const __m256 parts = better(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
  return _mm256_castps256_ps128(better(parts, _mm256_permute2f128_ps(parts, parts, 1)));
}
inline void store_smallest(float* to, const Floats (&x)[4]) {
  _mm_storeu_ps(to, best_of_four(x, [](Floats a, Floats b) { return _mm256_min_ps(a, b); }));
}
inline void store_largest(float* to, const Floats (&x)[4]) {
  _mm_storeu_ps(to, best_of_four(x, [](Floats a, Floats b) { return _mm256_max_ps(a, b); }));
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/quantize_rows_body.h"

namespace subgraft {

const QuantizeRows* quantize_rows_avx2() { return &kQuantizeRows; }

}  // namespace subgraft
