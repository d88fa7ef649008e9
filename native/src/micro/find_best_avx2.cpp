#include <immintrin.h>

#include "micro/find_best.h"

namespace subgraft {
namespace {

constexpr int64_t kBytes = 16;

inline __m128i load_bytes(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

// The smallest of sixteen unsigned bytes.
inline uint8_t smallest(__m128i x) {
  const __m128i pairs = _mm_min_epu8(x, _mm_srli_epi16(x, 8));
  return static_cast<uint8_t>(_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_and_si128(pairs, _mm_set1_epi16(0xff)))));
}

// The last of its pieces overlaps the one before.
inline int64_t find_in_row(const uint8_t* row, int64_t size, __m128i flip) {
  const int64_t last = size - kBytes;
  __m128i least = _mm_xor_si128(load_bytes(row + last), flip);
  for (int64_t i = 0; i < last; i += kBytes) least = _mm_min_epu8(least, _mm_xor_si128(load_bytes(row + i), flip));
  const __m128i wanted = _mm_xor_si128(_mm_set1_epi8(static_cast<char>(smallest(least))), flip);
  for (int64_t i = 0; i < last; i += kBytes)
    if (const int found = _mm_movemask_epi8(_mm_cmpeq_epi8(load_bytes(row + i), wanted)))
      return i + __builtin_ctz(static_cast<unsigned>(found));
  return last + __builtin_ctz(static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(load_bytes(row + last), wanted))));
}

inline int64_t find_in_short_row(const uint8_t* row, int64_t size, uint8_t flip) {
  int64_t best = 0;
  for (int64_t i = 1; i < size; ++i)
    if ((row[i] ^ flip) < (row[best] ^ flip)) best = i;
  return best;
}

void find_bytes(const uint8_t* in, int64_t rows, int64_t size, uint8_t flip, void* out, bool wide) {
  const __m128i flips = _mm_set1_epi8(static_cast<char>(flip));
  for (int64_t i = 0; i < rows; ++i, in += size) {
    const int64_t found = size < kBytes ? find_in_short_row(in, size, flip) : find_in_row(in, size, flips);
    if (wide)
      static_cast<int64_t*>(out)[i] = found;
    else
      static_cast<int32_t*>(out)[i] = static_cast<int32_t>(found);
  }
}

constexpr FindBest kFindBest{find_bytes};

}  // namespace

const FindBest* find_best_avx2() { return &kFindBest; }

}  // namespace subgraft
