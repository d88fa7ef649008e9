#include <immintrin.h>

#include "micro/int16_bytes.h"

namespace subgraft {
namespace {

void split(const int16_t* x, int64_t count, int8_t* high, uint8_t* low) {
  constexpr int64_t kLanes = 32;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m512i both = _mm512_loadu_si512(x + i);
    _mm256_storeu_si256((__m256i*)(high + i), _mm512_cvtepi16_epi8(_mm512_srai_epi16(both, 8)));
    _mm256_storeu_si256((__m256i*)(low + i), _mm512_cvtepi16_epi8(both));
  }
  for (; i < count; ++i) {
    high[i] = static_cast<int8_t>(x[i] >> 8);
    low[i] = static_cast<uint8_t>(x[i] & 255);
  }
}

void combine32(const int32_t* high, const int32_t* low, int64_t count, int32_t* sums) {
  for (int64_t i = 0; i < count; i += 16) {
    const __m512i upper = _mm512_slli_epi32(_mm512_loadu_si512(high + i), 8);
    _mm512_storeu_si512(sums + i, _mm512_add_epi32(upper, _mm512_loadu_si512(low + i)));
  }
}

void combine64(const int32_t* high, const int32_t* low, int64_t count, int64_t* sums) {
  for (int64_t i = 0; i < count; i += 8) {
    const __m512i upper = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i*)(high + i)));
    const __m512i lower = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i*)(low + i)));
    _mm512_storeu_si512(sums + i, _mm512_add_epi64(_mm512_slli_epi64(upper, 8), lower));
  }
}

constexpr Int16Bytes kBytes{split, combine32, combine64};

}  // namespace

const Int16Bytes* int16_bytes_avx512();

const Int16Bytes* int16_bytes_avx512() { return &kBytes; }

}  // namespace subgraft
