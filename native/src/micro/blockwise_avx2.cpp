#include "micro/lanes_avx2.h"

namespace subgraft {
namespace {

constexpr int kTwoRows = 1, kOneRow = 2;  // vectors of channels that are multiplied at once

inline Ints load_bytes(const uint8_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
inline Ints lower_halves(Ints x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
inline Ints upper_halves(Ints x) { return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15)); }
constexpr int kUpperShift = 0;
inline Ints broadcast_quad(const int8_t* p) {
  int32_t quad;
  __builtin_memcpy(&quad, p, sizeof quad);
  return _mm256_set1_epi32(quad);
}
// Exact for weights of 4 bits: pairs would be saturated for those of 8.
inline Ints add_quads(Ints sums, Ints w, Ints x) {
  return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
}
inline Floats load_halves(const uint16_t* p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)); }
inline Floats to_floats(Ints x) { return _mm256_cvtepi32_ps(x); }

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/blockwise_body.h"

namespace subgraft {
namespace {
constexpr Blockwise kBlockwise{multiply_blockwise<4>, nullptr};
}
const Blockwise* blockwise_avx2() { return &kBlockwise; }

}  // namespace subgraft
