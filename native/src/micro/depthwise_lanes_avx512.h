// What depthwise_quantized_body.h needs of AVX-512 beside the common lanes; 8-bit dot products where the file is
// compiled for them.
#pragma once

#include <cstddef>

#include "micro/lanes_avx512.h"
#include "micro/requantize_avx512.h"

namespace subgraft {
namespace {

constexpr bool kManyRegisters = true;  // 32 of them

using Rescale = Rescale512;
inline Rescale make_rescale(Ints multiplier, Ints shift) { return make_rescale512(multiplier, shift); }
inline Ints rescale(Ints x, const Rescale& c) { return rescale512(x, c); }

#if defined(__AVX512VNNI__)
constexpr bool kPairedWeights = false;
using Column = Ints;
inline Column column(const std::byte* p) { return _mm512_loadu_si512(p); }
template <int parts>
inline Ints dot(Ints sum, Column x, const Ints* w) {
  sum = _mm512_dpbusd_epi32(sum, x, w[0]);
  if constexpr (parts == 2) sum = _mm512_dpbusd_epi32(sum, x, w[1]);
  return sum;
}
#else
constexpr bool kPairedWeights = true;
struct Column {
  Ints even, odd;
};
inline Column column(const std::byte* p) {
  const __m512i x = _mm512_loadu_si512(p);
  return {_mm512_and_si512(x, _mm512_set1_epi16(0xff)), _mm512_srli_epi16(x, 8)};
}
template <int parts>
inline Ints dot(Ints sum, Column x, const Ints* w) {
  static_assert(parts == 2);
  const Ints products = _mm512_add_epi32(_mm512_madd_epi16(x.even, w[0]), _mm512_madd_epi16(x.odd, w[1]));
  return _mm512_add_epi32(sum, products);
}
#endif

// Pairs of 16 bits.
struct Pairs {
  Ints x;
};
template <int parts>
inline Ints dot(Ints sum, Pairs pairs, const Ints* w) {
#if defined(__AVX512VNNI__)
  return _mm512_dpwssd_epi32(sum, pairs.x, w[0]);
#else
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs.x, w[0]));
#endif
}

inline Ints load_vector(const std::byte* p) { return _mm512_loadu_si512(p); }

// The high halves of (x * factor + addend), all unsigned: `even` and `odd` are for those lanes.
inline Ints multiply_high(Ints x, Ints even, Ints odd, Ints add_even, Ints add_odd) {
  const __m512i low = _mm512_add_epi64(_mm512_mul_epu32(x, even), add_even);
  const __m512i high = _mm512_add_epi64(_mm512_mul_epu32(_mm512_srli_epi64(x, 32), odd), add_odd);
  return _mm512_castps_si512(_mm512_mask_movehdup_ps(_mm512_castsi512_ps(high), 0x5555, _mm512_castsi512_ps(low)));
}
inline Ints decrease_where_less(Ints x, Ints limit) {
  return _mm512_mask_add_epi32(x, _mm512_cmplt_epi32_mask(x, limit), x, _mm512_set1_epi32(-1));
}
// The low halves of (x * factor + addend) >> shift, signed: `odd`, the additions and the shifts hold 64 bits.
inline Ints multiply_shift(Ints x, Ints even, Ints odd, Ints add_even, Ints add_odd, Ints shift_even, Ints shift_odd) {
  const __m512i low = _mm512_add_epi64(_mm512_mul_epi32(x, even), add_even);
  const __m512i high = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(x, 32), odd), add_odd);
  const __m512i shifted = _mm512_slli_epi64(_mm512_srav_epi64(high, shift_odd), 32);
  return _mm512_mask_blend_epi32(0xaaaa, _mm512_srav_epi64(low, shift_even), shifted);
}
inline Ints shift_right_each(Ints x, Ints by) { return _mm512_srav_epi32(x, by); }
inline Floats pick_lanes(Floats x, Ints index) { return _mm512_permutexvar_ps(index, x); }
inline Floats to_real(Ints x) { return _mm512_cvtepi32_ps(x); }

// Sixteen outputs of 8 bits: saturated, `flip` turns int8 into uint8.
struct Bytes {
  __m128i low, high, flip;
  bool is_clamped;
};
inline Bytes make_bytes(int32_t min, int32_t max, bool is_signed) {
  const int32_t shift = is_signed ? 0 : 128;
  return {_mm_set1_epi8(static_cast<char>(min - shift)), _mm_set1_epi8(static_cast<char>(max - shift)),
          _mm_set1_epi8(static_cast<char>(shift)), min - shift > -128 || max - shift < 127};
}
inline void store_bytes(std::byte* p, Ints x, const Bytes& bytes) {
  __m128i packed = _mm512_cvtsepi32_epi8(x);
  if (bytes.is_clamped) packed = _mm_min_epi8(_mm_max_epi8(packed, bytes.low), bytes.high);
  _mm_storeu_si128((__m128i*)p, _mm_xor_si128(packed, bytes.flip));
}

// Four such vectors, `step` bytes apart.
inline void store_bytes(std::byte* p, int64_t step, const Ints* x, const Bytes& bytes) {
  const __m512i pairs = _mm512_packs_epi32(x[0], x[1]), others = _mm512_packs_epi32(x[2], x[3]);
  // Each 128 bits hold four bytes of every vector.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i all = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(pairs, others));
  all = _mm512_max_epi8(all, _mm512_broadcast_i32x4(bytes.low));
  all = _mm512_xor_si512(_mm512_min_epi8(all, _mm512_broadcast_i32x4(bytes.high)), _mm512_broadcast_i32x4(bytes.flip));
  _mm_storeu_si128((__m128i*)p, _mm512_castsi512_si128(all));
  _mm_storeu_si128((__m128i*)(p + step), _mm512_extracti32x4_epi32(all, 1));
  _mm_storeu_si128((__m128i*)(p + 2 * step), _mm512_extracti32x4_epi32(all, 2));
  _mm_storeu_si128((__m128i*)(p + 3 * step), _mm512_extracti32x4_epi32(all, 3));
}

// Interleaves `count` bytes of four rows, each with `flip` applied; writes up to 256 bytes past 4 * count.
inline void interleave(const std::byte* const* rows, int64_t count, int32_t flip, std::byte* to) {
  // Groups of four bytes go where the unpacking within 128 bits leaves them in their order.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i flips = _mm512_set1_epi8(static_cast<char>(flip));
  const std::byte *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
  for (int64_t i = 0; i < count; i += 64, to += 256) {
    const int64_t left = count - i;
    __m512i x[4];
    if (left >= 64) {
      x[0] = _mm512_loadu_si512(a + i), x[1] = _mm512_loadu_si512(b + i);
      x[2] = _mm512_loadu_si512(c + i), x[3] = _mm512_loadu_si512(d + i);
    } else {
      const __mmask64 mask = (uint64_t{1} << left) - 1;
      x[0] = _mm512_maskz_loadu_epi8(mask, a + i), x[1] = _mm512_maskz_loadu_epi8(mask, b + i);
      x[2] = _mm512_maskz_loadu_epi8(mask, c + i), x[3] = _mm512_maskz_loadu_epi8(mask, d + i);
    }
    for (__m512i& row : x) row = _mm512_permutexvar_epi32(order, _mm512_xor_si512(row, flips));
    const __m512i ab_low = _mm512_unpacklo_epi8(x[0], x[1]), ab_high = _mm512_unpackhi_epi8(x[0], x[1]);
    const __m512i cd_low = _mm512_unpacklo_epi8(x[2], x[3]), cd_high = _mm512_unpackhi_epi8(x[2], x[3]);
    _mm512_storeu_si512(to, _mm512_unpacklo_epi16(ab_low, cd_low));
    _mm512_storeu_si512(to + 64, _mm512_unpackhi_epi16(ab_low, cd_low));
    _mm512_storeu_si512(to + 128, _mm512_unpacklo_epi16(ab_high, cd_high));
    _mm512_storeu_si512(to + 192, _mm512_unpackhi_epi16(ab_high, cd_high));
  }
}

// Interleaves `count` values of 16 bits of two rows; writes up to 64 bytes past 4 * count.
inline void interleave_pairs(const std::byte* const* rows, int64_t count, std::byte* to) {
  for (int64_t i = 0; i < count; i += 16, to += 64) {
    const __mmask16 mask = count - i >= 16 ? 0xffff : first(count - i);
    const __m512i a = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, rows[0] + 2 * i));
    const __m512i b = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, rows[1] + 2 * i));
    _mm512_storeu_si512(to, _mm512_or_si512(a, _mm512_slli_epi32(b, 16)));
  }
}

}  // namespace
}  // namespace subgraft
