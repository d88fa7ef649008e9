// Pairs of 16-bit numbers for gemm_int16_body.h; lanes_avx512.h and add_products() are the including file's.
#pragma once

#include "micro/lanes_avx512.h"

namespace subgraft {
namespace {

constexpr int kMostRows = 8, kRegisters = 24;  // of a tile, and those its sums may take

template <int n>
struct Number {
  static constexpr int value = n;
};

inline Ints load_pairs(const int8_t* p) { return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)p)); }
inline Ints load_pairs(const int16_t* p) { return _mm512_loadu_si512(p); }
inline Ints broadcast_pair(const int16_t* p) {
  int32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return _mm512_set1_epi32(pair);
}
inline void store(int32_t* p, Ints x) { _mm512_storeu_si512(p, x); }
// Sixteen numbers of 64 bits, added to what is there or not.
inline void store_wide(int64_t* p, Ints x, bool add) {
  __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(x));
  __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(x, 1));
  if (add) {
    low = _mm512_add_epi64(low, _mm512_loadu_si512(p));
    high = _mm512_add_epi64(high, _mm512_loadu_si512(p + 8));
  }
  _mm512_storeu_si512(p, low);
  _mm512_storeu_si512(p + 8, high);
}

}  // namespace
}  // namespace subgraft
