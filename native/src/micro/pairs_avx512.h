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
// The same of 256 * high + low.
inline void store_wide(int64_t* p, Ints high, Ints low, bool add) {
  const auto store_half = [=](int64_t* to, __m256i upper, __m256i lower) {
    __m512i sum = _mm512_add_epi64(_mm512_slli_epi64(_mm512_cvtepi32_epi64(upper), 8), _mm512_cvtepi32_epi64(lower));
    if (add) sum = _mm512_add_epi64(sum, _mm512_loadu_si512(to));
    _mm512_storeu_si512(to, sum);
  };
  store_half(p, _mm512_castsi512_si256(high), _mm512_castsi512_si256(low));
  store_half(p + 8, _mm512_extracti64x4_epi64(high, 1), _mm512_extracti64x4_epi64(low, 1));
}
// Of pairs: as signed numbers, and as numbers from 0 to 255.
inline Ints upper_bytes(Ints x) { return _mm512_srai_epi16(x, 8); }
inline Ints lower_bytes(Ints x) { return _mm512_and_si512(x, _mm512_set1_epi16(255)); }

}  // namespace
}  // namespace subgraft
