// Panels of activations with AVX-512. Included by files that are compiled for AVX-512 VNNI.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "micro/gemm_int8.h"

namespace subgraft {
namespace {

[[gnu::always_inline]] inline __mmask64 first_bytes(int64_t count) {
  return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
}

// 16, 32 or 64 bytes at once; `mask` is for the last of a run.
struct Sixteen {
  static void copy(const uint8_t* from, uint8_t* to, __mmask64 mask, __m512i flip) {
    const auto some = static_cast<__mmask16>(mask);
    const __m128i x = _mm_xor_si128(_mm_maskz_loadu_epi8(some, from), _mm512_castsi512_si128(flip));
    _mm_mask_storeu_epi8(to, some, x);
  }
};
struct ThirtyTwo {
  static void copy(const uint8_t* from, uint8_t* to, __mmask64 mask, __m512i flip) {
    const auto some = static_cast<__mmask32>(mask);
    const __m256i x = _mm256_xor_si256(_mm256_maskz_loadu_epi8(some, from), _mm512_castsi512_si256(flip));
    _mm256_mask_storeu_epi8(to, some, x);
  }
};
struct SixtyFour {
  static void copy(const uint8_t* from, uint8_t* to, __mmask64 mask, __m512i flip) {
    _mm512_mask_storeu_epi8(to, mask, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, from), flip));
  }
};

template <typename Width, bool is_long>
void copy_runs_of(const Int8Runs& r) {
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(r.flip));
  const int64_t whole = is_long ? (r.bytes - 1) / 64 * 64 : 0;
  const __mmask64 last = first_bytes(r.bytes - whole);
  const uint8_t* position = r.from;
  for (int64_t i = 0; i < r.positions; ++i, position += r.step) {
    uint8_t* to = r.to + i * r.to_stride;
    const uint8_t* row = position;
    for (int64_t y = 0; y < r.y_runs; ++y, row += r.y_step) {
      const uint8_t* from = row;
      for (int64_t x = 0; x < r.x_runs; ++x, from += r.x_step, to += r.bytes) {
        if constexpr (is_long)
          for (int64_t k = 0; k < whole; k += 64)
            _mm512_storeu_si512(to + k, _mm512_xor_si512(_mm512_loadu_si512(from + k), flip));
        Width::copy(from + whole, to + whole, last, flip);
      }
    }
  }
}

void copy_runs(const Int8Runs& r) {
  if (r.bytes <= 16)
    copy_runs_of<Sixteen, false>(r);
  else if (r.bytes <= 32)
    copy_runs_of<ThirtyTwo, false>(r);
  else if (r.bytes <= 64)
    copy_runs_of<SixtyFour, false>(r);
  else
    copy_runs_of<SixtyFour, true>(r);
}

// Sixteen sums of parts of each of four rows become the rows' sums.
[[gnu::always_inline]] inline __m128i sums_of_four(const __m512i (&x)[4]) {
  const __m512i first = _mm512_add_epi32(_mm512_unpacklo_epi32(x[0], x[1]), _mm512_unpackhi_epi32(x[0], x[1]));
  const __m512i second = _mm512_add_epi32(_mm512_unpacklo_epi32(x[2], x[3]), _mm512_unpackhi_epi32(x[2], x[3]));
  const __m512i four = _mm512_add_epi32(_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(four), _mm512_extracti64x4_epi64(four, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

void sum_rows(const uint8_t* x, int64_t x_stride, int64_t rows, int64_t depth, int32_t factor, int32_t* sums) {
  const __m512i ones = _mm512_set1_epi8(1);
  const int64_t whole = depth > 0 ? (depth - 1) / 64 * 64 : 0;
  const __mmask64 last = first_bytes(depth - whole);
  for (int64_t row = 0; row < rows; row += 4) {
    const int64_t count = rows - row < 4 ? rows - row : 4;
    __m512i parts[4] = {};
    for (int r = 0; r < 4; ++r) {
      const uint8_t* from = x + (row + (r < count ? r : 0)) * x_stride;
      parts[r] = _mm512_dpbusd_epi32(parts[r], _mm512_maskz_loadu_epi8(last, from + whole), ones);
      for (int64_t k = 0; k < whole; k += 64)
        parts[r] = _mm512_dpbusd_epi32(parts[r], _mm512_loadu_si512(from + k), ones);
    }
    const __m128i terms = _mm_mullo_epi32(sums_of_four(parts), _mm_set1_epi32(factor));
    _mm_mask_storeu_epi32(sums + row, static_cast<__mmask8>((1 << count) - 1), terms);
  }
}

}  // namespace
}  // namespace subgraft
