// Panels of activations with AVX2. Included by files that are compiled for AVX2 or AVX-VNNI.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "micro/gemm_int8.h"

namespace subgraft {
namespace {

template <typename Word>
[[gnu::always_inline]] inline void copy_word(const uint8_t* from, uint8_t* to, Word flip) {
  Word word;
  __builtin_memcpy(&word, from, sizeof word);
  word = static_cast<Word>(word ^ flip);
  __builtin_memcpy(to, &word, sizeof word);
}

// 0 to 31 bytes: two words that overlap, where there is no word of that size.
[[gnu::always_inline]] inline void copy_few(const uint8_t* from, uint8_t* to, int64_t bytes, __m256i flip) {
  const auto word = static_cast<uint64_t>(_mm256_extract_epi64(flip, 0));
  if (bytes >= 16) {
    const __m128i half = _mm256_castsi256_si128(flip);
    const int64_t places[] = {0, bytes - 16};
    for (const int64_t at : places) {
      const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at), _mm_xor_si128(x, half));
    }
  } else if (bytes >= 8) {
    copy_word<uint64_t>(from, to, word);
    copy_word<uint64_t>(from + bytes - 8, to + bytes - 8, word);
  } else if (bytes >= 4) {
    copy_word<uint32_t>(from, to, static_cast<uint32_t>(word));
    copy_word<uint32_t>(from + bytes - 4, to + bytes - 4, static_cast<uint32_t>(word));
  } else {
    for (int64_t i = 0; i < bytes; ++i) copy_word<uint8_t>(from + i, to + i, static_cast<uint8_t>(word));
  }
}

void copy_runs(const Int8Runs& r) {
  const __m256i flip = _mm256_set1_epi8(static_cast<char>(r.flip));
  const uint8_t* position = r.from;
  for (int64_t i = 0; i < r.positions; ++i, position += r.step) {
    uint8_t* to = r.to + i * r.to_stride;
    const uint8_t* row = position;
    for (int64_t y = 0; y < r.y_runs; ++y, row += r.y_step) {
      const uint8_t* from = row;
      for (int64_t x = 0; x < r.x_runs; ++x, from += r.x_step, to += r.bytes) {
        int64_t k = 0;
        for (; k + 32 <= r.bytes; k += 32) {
          const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + k));
          _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + k), _mm256_xor_si256(bytes, flip));
        }
        copy_few(from + k, to + k, r.bytes - k, flip);
      }
    }
  }
}

void sum_rows(const uint8_t* x, int64_t x_stride, int64_t rows, int64_t depth, int32_t factor, int32_t* sums) {
  for (int64_t row = 0; row < rows; ++row, x += x_stride) {
    __m256i sum = _mm256_setzero_si256();
    int64_t k = 0;
    for (; k + 32 <= depth; k += 32) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + k));
      sum = _mm256_add_epi64(sum, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
    }
    const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    auto total = static_cast<uint32_t>(_mm_cvtsi128_si64(half)) + static_cast<uint32_t>(_mm_extract_epi64(half, 1));
    for (; k < depth; ++k) total += x[k];
    sums[row] = static_cast<int32_t>(total * static_cast<uint32_t>(factor));
  }
}

}  // namespace
}  // namespace subgraft
