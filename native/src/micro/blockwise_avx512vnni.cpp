#include "micro/lanes_avx512.h"

namespace subgraft {
namespace {

constexpr int kTwoRows = 2, kOneRow = 4;  // vectors of channels that are multiplied at once

inline Ints load_bytes(const uint8_t* p) {
  Ints x = _mm512_loadu_si512(p);
  asm("" : "+v"(x));  // both halves of one load: compilers would load twice, which takes a quarter longer
  return x;
}
inline Ints lower_halves(Ints x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
// Left where they are: times 16.
inline Ints upper_halves(Ints x) { return _mm512_and_si512(x, _mm512_set1_epi8(static_cast<char>(0xf0))); }
constexpr int kUpperShift = 4;
inline Ints broadcast_quad(const int8_t* p) {
  int32_t quad;
  __builtin_memcpy(&quad, p, sizeof quad);
  return _mm512_set1_epi32(quad);
}
inline Ints add_quads(Ints sums, Ints w, Ints x) { return _mm512_dpbusd_epi32(sums, w, x); }
inline Floats load_halves(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
inline Floats to_floats(Ints x) { return _mm512_cvtepi32_ps(x); }

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/blockwise_body.h"

namespace subgraft {
namespace {
constexpr Blockwise kBlockwise{multiply_blockwise<4>, multiply_blockwise<8>};
}
const Blockwise* blockwise_avx512vnni() { return &kBlockwise; }

}  // namespace subgraft
