#include "micro/vector_avx2.h"
//
#include "micro/elementwise_table.h"

namespace subgraft {
namespace {

// A byte's high half picks one of 16 tables of 16: bytes meant for other tables are moved over 127, which gives 0.
void look_up(const void* table, const void* in, void* out, int64_t n) {
  const uint8_t *entries = static_cast<const uint8_t*>(table), *x = static_cast<const uint8_t*>(in);
  uint8_t* y = static_cast<uint8_t*>(out);
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    __m256i found = _mm256_setzero_si256();
#pragma GCC unroll 16
    for (int t = 0; t < 16; ++t) {
      const __m256i part =
          _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(entries + 16 * t)));
      const __m256i index = _mm256_adds_epu8(_mm256_xor_si256(bytes, _mm256_set1_epi8(static_cast<char>(16 * t))),
                                             _mm256_set1_epi8(0x70));
      found = _mm256_or_si256(found, _mm256_shuffle_epi8(part, index));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), found);
  }
  for (; i < n; ++i) y[i] = entries[x[i]];
}

void widen_half(const void*, const void* in, void* out, int64_t n) {
  const uint16_t* x = static_cast<const uint16_t*>(in);
  float* y = static_cast<float*>(out);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
  for (; i < n; ++i) y[i] = _cvtsh_ss(x[i]);
}

constexpr Elementwise kTable = elementwise_table(look_up, widen_half);

}  // namespace

const Elementwise* elementwise_avx2() { return &kTable; }

}  // namespace subgraft
