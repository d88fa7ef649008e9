#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

using Bytes = __m128i;

inline Bytes load_bytes(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline Bytes broadcast_byte(uint8_t x) { return _mm_set1_epi8(static_cast<char>(x)); }
inline Bytes flipped(Bytes x, Bytes by) { return _mm_xor_si128(x, by); }
inline Bytes lesser(Bytes a, Bytes b) { return _mm_min_epu8(a, b); }

inline uint8_t smallest(Bytes x) {
  const __m128i pairs = _mm_min_epu8(x, _mm_srli_epi16(x, 8));
  return static_cast<uint8_t>(_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_and_si128(pairs, _mm_set1_epi16(0xff)))));
}

// At least 16 where none is.
inline int64_t first_equal(Bytes a, Bytes b) {
  return __builtin_ctz(static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(a, b))) | 0x10000);
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/find_best_body.h"

namespace subgraft {

const FindBest* find_best_avx2() { return &kFindBest; }

}  // namespace subgraft
