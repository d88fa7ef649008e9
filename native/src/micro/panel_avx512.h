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

void copy_pieces(const Int8Piece* pieces, int64_t count, uint8_t flip, uint8_t* panel) {
  const __m512i flips = _mm512_set1_epi8(static_cast<char>(flip));
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t* from = pieces[i].from;
    uint8_t* to = panel + pieces[i].to;
    int64_t left = pieces[i].bytes;
    for (; left > 64; left -= 64, from += 64, to += 64)
      _mm512_storeu_si512(to, _mm512_xor_si512(_mm512_loadu_si512(from), flips));
    _mm512_storeu_si512(to, _mm512_xor_si512(_mm512_maskz_loadu_epi8(first_bytes(left), from), flips));
  }
}

void sum_rows(const uint8_t* x, int64_t x_stride, int64_t rows, int64_t depth, int32_t factor, int32_t* sums) {
  const __m512i ones = _mm512_set1_epi8(1);
  const int64_t whole = (depth - 1) / 64 * 64;
  const __mmask64 last = first_bytes(depth - whole);
  for (int64_t row = 0; row < rows; ++row, x += x_stride) {
    __m512i sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_maskz_loadu_epi8(last, x + whole), ones);
    for (int64_t k = 0; k < whole; k += 64) sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(x + k), ones);
    sums[row] =
        static_cast<int32_t>(static_cast<uint32_t>(_mm512_reduce_add_epi32(sum)) * static_cast<uint32_t>(factor));
  }
}

}  // namespace
}  // namespace subgraft
