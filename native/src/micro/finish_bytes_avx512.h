// Sums to bytes in single precision with AVX-512: finish_sums.h's QuickScale. Included by finish_sums_avx512.cpp.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "micro/finish_sums.h"

namespace subgraft {
namespace {

// The same block by the exact way; rows and channels are few.
struct Exactly {
  void (*finish)(const void* scale, const SumBlock& block, int64_t channel, void* out, int64_t out_stride);
  const void* scale;
};

struct QuickBlock {
  SumBlock sums;
  const int32_t* bias;  // null: none
  QuickScale scale;
  int32_t zero_point, min, max;
  Exactly exactly;
};

// Four vectors of sums become 64 bytes, of one row or of several: `vectors` are of one row.
template <bool is_signed, bool has_signs, bool has_terms, int vectors>
void finish_columns(const QuickBlock& q, int64_t channel, uint8_t* out, int64_t out_stride) {
  constexpr int kRows = vectors == 1 ? 4 : vectors == 2 ? 2 : 1, kBytes = 64 / kRows;
  constexpr int32_t kUnit = 1 << kQuickBits;
  const SumBlock& b = q.sums;
  const int64_t channels = b.channels - channel < 16 * vectors ? b.channels - channel : 16 * vectors;
  const __mmask64 wanted = channels == 64 ? ~__mmask64{0} : (__mmask64{1} << channels) - 1;
  const __m512i sign = _mm512_set1_epi32(INT32_MIN), sure = _mm512_set1_epi32(kUnit - 2 * kQuickDoubt);
  const __m512i shift = _mm512_set1_epi32(kUnit / 2 + kQuickDoubt + q.zero_point * kUnit);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i low = _mm512_set1_epi8(static_cast<char>(q.min)), high = _mm512_set1_epi8(static_cast<char>(q.max));
  __m512 scales[vectors], offsets[vectors];
  __m512i bias[vectors];
  for (int i = 0; i < vectors; ++i) {
    scales[i] = _mm512_loadu_ps(q.scale.scales + channel + 16 * i);
    offsets[i] = q.scale.offsets ? _mm512_loadu_ps(q.scale.offsets + channel + 16 * i) : _mm512_setzero_ps();
    bias[i] = q.bias ? _mm512_loadu_si512(q.bias + channel + 16 * i) : _mm512_setzero_si512();
    if constexpr (!has_signs) offsets[i] = _mm512_add_ps(offsets[i], _mm512_cvtepi32_ps(shift));
  }
  for (int64_t row = 0; row < b.rows; row += kRows) {
    const int64_t rows = b.rows - row < kRows ? b.rows - row : kRows;
    __m512i whole[4] = {};
    __mmask16 certain = 0xffff;
    for (int r = 0; r < kRows; ++r) {
      const int64_t at = row + (r < rows ? r : 0);
      for (int i = 0; i < vectors; ++i) {
        __m512i x = _mm512_add_epi32(bias[i], _mm512_load_si512(b.sums + at * b.stride + channel + 16 * i));
        if constexpr (has_terms) x = _mm512_add_epi32(x, _mm512_set1_epi32(b.row_terms[at]));
        __m512i t;
        if constexpr (has_signs) {
          const __m512i offset = _mm512_ternarylogic_epi32(x, sign, _mm512_castps_si512(offsets[i]), 0xea);
          t = _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(x), scales[i], _mm512_castsi512_ps(offset)));
          t = _mm512_add_epi32(t, shift);
        } else {
          t = _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(x), scales[i], offsets[i]));
        }
        certain = _mm512_mask_test_epi32_mask(certain, t, sure);
        whole[r * vectors + i] = _mm512_srai_epi32(t, kQuickBits);
      }
    }
    if (__builtin_expect(certain != 0xffff, 0)) {
      const SumBlock few{b.sums + row * b.stride + channel, b.stride, rows, channels,
                         has_terms ? b.row_terms + row : nullptr};
      q.exactly.finish(q.exactly.scale, few, channel, out + row * out_stride, out_stride);
      continue;
    }
    const __m512i first = _mm512_packs_epi32(whole[0], whole[1]), second = _mm512_packs_epi32(whole[2], whole[3]);
    __m512i bytes = is_signed ? _mm512_packs_epi16(first, second) : _mm512_packus_epi16(first, second);
    bytes = _mm512_permutexvar_epi32(order, bytes);
    bytes = is_signed ? _mm512_min_epi8(_mm512_max_epi8(bytes, low), high)
                      : _mm512_min_epu8(_mm512_max_epu8(bytes, low), high);
    uint8_t* to = out + row * out_stride;
    if constexpr (kRows == 1) {
      _mm512_mask_storeu_epi8(to, wanted, bytes);
    } else if constexpr (kRows == 2) {
      const auto some = static_cast<__mmask32>(wanted);
      _mm256_mask_storeu_epi8(to, some, _mm512_castsi512_si256(bytes));
      if (rows > 1) _mm256_mask_storeu_epi8(to + out_stride, some, _mm512_extracti64x4_epi64(bytes, 1));
    } else {
      const auto some = static_cast<__mmask16>(wanted);
      _mm_mask_storeu_epi8(to, some, _mm512_castsi512_si128(bytes));
      if (rows > 1) _mm_mask_storeu_epi8(to + out_stride, some, _mm512_extracti32x4_epi32(bytes, 1));
      if (rows > 2) _mm_mask_storeu_epi8(to + 2 * out_stride, some, _mm512_extracti32x4_epi32(bytes, 2));
      if (rows > 3) _mm_mask_storeu_epi8(to + 3 * out_stride, some, _mm512_extracti32x4_epi32(bytes, 3));
    }
    static_assert(kBytes * kRows == 64);
  }
}

template <bool is_signed, bool has_signs, bool has_terms>
void finish_all_columns(const QuickBlock& q, uint8_t* out, int64_t out_stride) {
  for (int64_t channel = 0; channel < q.sums.channels; channel += 64) {
    const int64_t left = (q.sums.channels - channel + 15) / 16;
    uint8_t* to = out + channel;
    if (left >= 4)
      finish_columns<is_signed, has_signs, has_terms, 4>(q, channel, to, out_stride);
    else if (left == 3)
      finish_columns<is_signed, has_signs, has_terms, 3>(q, channel, to, out_stride);
    else if (left == 2)
      finish_columns<is_signed, has_signs, has_terms, 2>(q, channel, to, out_stride);
    else
      finish_columns<is_signed, has_signs, has_terms, 1>(q, channel, to, out_stride);
  }
}

template <bool is_signed>
void finish_quickly(const QuickBlock& q, uint8_t* out, int64_t out_stride) {
  if (q.scale.signs && q.sums.row_terms) return finish_all_columns<is_signed, true, true>(q, out, out_stride);
  if (q.scale.signs) return finish_all_columns<is_signed, true, false>(q, out, out_stride);
  if (q.sums.row_terms) return finish_all_columns<is_signed, false, true>(q, out, out_stride);
  finish_all_columns<is_signed, false, false>(q, out, out_stride);
}

}  // namespace
}  // namespace subgraft
