#include "micro/lanes_avx2.h"

namespace subgraft {
namespace {

constexpr int kMostRows = 4, kRegisters = 8;  // of a tile, and those its sums may take

template <int n>
struct Number {
  static constexpr int value = n;
};

inline Ints load_pairs(const int8_t* p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)p)); }
inline Ints load_pairs(const int16_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
inline Ints broadcast_pair(const int16_t* p) {
  int32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return _mm256_set1_epi32(pair);
}
inline void store(int32_t* p, Ints x) { _mm256_storeu_si256((__m256i*)p, x); }
// Eight numbers of 64 bits, added to what is there or not.
inline void store_wide(int64_t* p, Ints x, bool add) {
  __m256i low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(x));
  __m256i high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256(x, 1));
  if (add) {
    low = _mm256_add_epi64(low, _mm256_loadu_si256((const __m256i*)p));
    high = _mm256_add_epi64(high, _mm256_loadu_si256((const __m256i*)(p + 4)));
  }
  _mm256_storeu_si256((__m256i*)p, low);
  _mm256_storeu_si256((__m256i*)(p + 4), high);
}
// The same of 256 * high + low.
inline void store_wide(int64_t* p, Ints high, Ints low, bool add) {
  const auto store_half = [=](int64_t* to, __m128i upper, __m128i lower) {
    __m256i sum = _mm256_add_epi64(_mm256_slli_epi64(_mm256_cvtepi32_epi64(upper), 8), _mm256_cvtepi32_epi64(lower));
    if (add) sum = _mm256_add_epi64(sum, _mm256_loadu_si256((const __m256i*)to));
    _mm256_storeu_si256((__m256i*)to, sum);
  };
  store_half(p, _mm256_castsi256_si128(high), _mm256_castsi256_si128(low));
  store_half(p + 4, _mm256_extracti128_si256(high, 1), _mm256_extracti128_si256(low, 1));
}
// Of pairs: as signed numbers, and as numbers from 0 to 255.
inline Ints upper_bytes(Ints x) { return _mm256_srai_epi16(x, 8); }
inline Ints lower_bytes(Ints x) { return _mm256_and_si256(x, _mm256_set1_epi16(255)); }
inline Ints add_products(Ints sums, Ints x, Ints w) { return _mm256_add_epi32(sums, _mm256_madd_epi16(x, w)); }

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/gemm_int16_body.h"

namespace subgraft {

const Int16Gemm* int16_gemm_avx2() { return &kInt16Gemm; }

}  // namespace subgraft
