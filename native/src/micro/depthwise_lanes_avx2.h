// What the depthwise bodies need of AVX2 beside the common lanes; 8-bit dot products where the file is compiled for
// them.
#pragma once

#include <cstddef>

#include "micro/lanes_avx2.h"
#include "micro/requantize_avx2.h"

namespace subgraft {
namespace {

constexpr bool kManyRegisters = false;  // 32 of them

using Rescale = Rescale256;
inline Rescale make_rescale(Ints multiplier, Ints shift) { return make_rescale256(multiplier, shift); }
inline Ints rescale(Ints x, const Rescale& c) { return rescale256(x, c); }

inline Ints load_vector(const std::byte* p) { return _mm256_loadu_si256((const __m256i*)p); }

#if defined(__AVXVNNI__)
constexpr bool kPairedWeights = false;
using Column = Ints;
inline Column column(const std::byte* p) { return load_vector(p); }
template <int parts>
inline Ints dot(Ints sum, Column x, const Ints* w) {
  sum = _mm256_dpbusd_avx_epi32(sum, x, w[0]);
  if constexpr (parts == 2) sum = _mm256_dpbusd_avx_epi32(sum, x, w[1]);
  return sum;
}
#else
constexpr bool kPairedWeights = true;
struct Column {
  Ints even, odd;
};
inline Column column(const std::byte* p) {
  const __m256i x = load_vector(p);
  return {_mm256_and_si256(x, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(x, 8)};
}
template <int parts>
inline Ints dot(Ints sum, Column x, const Ints* w) {
  static_assert(parts == 2);
  const Ints products = _mm256_add_epi32(_mm256_madd_epi16(x.even, w[0]), _mm256_madd_epi16(x.odd, w[1]));
  return _mm256_add_epi32(sum, products);
}
#endif

// Pairs of 16 bits.
struct Pairs {
  Ints x;
};
template <int parts>
inline Ints dot(Ints sum, Pairs pairs, const Ints* w) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs.x, w[0]));
}

// The high halves of (x * factor + addend), all unsigned: `even` and `odd` are for those lanes.
inline Ints multiply_high(Ints x, Ints even, Ints odd, Ints add_even, Ints add_odd) {
  const __m256i low = _mm256_add_epi64(_mm256_mul_epu32(x, even), add_even);
  const __m256i high = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(x, 32), odd), add_odd);
  return _mm256_blend_epi32(_mm256_srli_epi64(low, 32), high, 0xaa);
}
inline Ints decrease_where_less(Ints x, Ints limit) { return _mm256_add_epi32(x, _mm256_cmpgt_epi32(limit, x)); }

// The low halves of (x * factor + addend) >> shift, signed: `odd`, the additions and the shifts hold 64 bits.
inline Ints multiply_shift(Ints x, Ints even, Ints odd, Ints add_even, Ints add_odd, Ints shift_even, Ints shift_odd) {
  // There is no shift of 64 bits that keeps the sign.
  const auto shifted = [](__m256i value, __m256i by) {
    const __m256i sign = _mm256_set1_epi64x(INT64_MIN);
    return _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_xor_si256(value, sign), by), _mm256_srlv_epi64(sign, by));
  };
  const __m256i low = _mm256_add_epi64(_mm256_mul_epi32(x, even), add_even);
  const __m256i high = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), odd), add_odd);
  return _mm256_blend_epi32(shifted(low, shift_even), _mm256_slli_epi64(shifted(high, shift_odd), 32), 0xaa);
}
inline Ints shift_right_each(Ints x, Ints by) { return _mm256_srav_epi32(x, by); }
inline Floats pick_lanes(Floats x, Ints index) { return _mm256_permutevar8x32_ps(x, index); }
inline Floats to_real(Ints x) { return _mm256_cvtepi32_ps(x); }

// Eight outputs of 8 bits: saturated, `flip` turns int8 into uint8.
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
  const __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  __m128i packed = _mm_packs_epi16(half, half);
  if (bytes.is_clamped) packed = _mm_min_epi8(_mm_max_epi8(packed, bytes.low), bytes.high);
  _mm_storel_epi64((__m128i*)p, _mm_xor_si128(packed, bytes.flip));
}

// Four such vectors, `step` bytes apart.
inline void store_bytes(std::byte* p, int64_t step, const Ints* x, const Bytes& bytes) {
  const __m256i pairs = _mm256_packs_epi32(x[0], x[1]), others = _mm256_packs_epi32(x[2], x[3]);
  // Each 128 bits hold four bytes of every vector.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  __m256i all = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(pairs, others), order);
  all = _mm256_max_epi8(all, _mm256_broadcastsi128_si256(bytes.low));
  all = _mm256_min_epi8(all, _mm256_broadcastsi128_si256(bytes.high));
  all = _mm256_xor_si256(all, _mm256_broadcastsi128_si256(bytes.flip));
  const __m128i low = _mm256_castsi256_si128(all), high = _mm256_extracti128_si256(all, 1);
  _mm_storel_epi64((__m128i*)p, low);
  _mm_storeh_pd((double*)(p + step), _mm_castsi128_pd(low));
  _mm_storel_epi64((__m128i*)(p + 2 * step), high);
  _mm_storeh_pd((double*)(p + 3 * step), _mm_castsi128_pd(high));
}

// Interleaves `count` bytes of four rows, each with `flip` applied; writes up to 128 bytes past 4 * count.
inline void interleave(const std::byte* const* rows, int64_t count, int32_t flip, std::byte* to) {
  // Groups of four bytes go where the unpacking within 128 bits leaves them in their order.
  const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
  const __m256i flips = _mm256_set1_epi8(static_cast<char>(flip));
  for (int64_t i = 0; i < count; i += 32, to += 128) {
    __m256i x[4];
    for (int r = 0; r < 4; ++r) {
      if (count - i >= 32) {
        x[r] = load_vector(rows[r] + i);
      } else {
        std::byte some[32] = {};
        __builtin_memcpy(some, rows[r] + i, static_cast<size_t>(count - i));
        x[r] = load_vector(some);
      }
      x[r] = _mm256_permutevar8x32_epi32(_mm256_xor_si256(x[r], flips), order);
    }
    const __m256i ab_low = _mm256_unpacklo_epi8(x[0], x[1]), ab_high = _mm256_unpackhi_epi8(x[0], x[1]);
    const __m256i cd_low = _mm256_unpacklo_epi8(x[2], x[3]), cd_high = _mm256_unpackhi_epi8(x[2], x[3]);
    __m256i* const out = (__m256i*)to;
    _mm256_storeu_si256(out, _mm256_unpacklo_epi16(ab_low, cd_low));
    _mm256_storeu_si256(out + 1, _mm256_unpackhi_epi16(ab_low, cd_low));
    _mm256_storeu_si256(out + 2, _mm256_unpacklo_epi16(ab_high, cd_high));
    _mm256_storeu_si256(out + 3, _mm256_unpackhi_epi16(ab_high, cd_high));
  }
}

// Interleaves `count` values of 16 bits of two rows; writes up to 32 bytes past 4 * count.
inline void interleave_pairs(const std::byte* const* rows, int64_t count, std::byte* to) {
  for (int64_t i = 0; i < count; i += 8, to += 32) {
    __m256i x[2];
    for (int r = 0; r < 2; ++r) {
      std::byte some[16] = {};
      const std::byte* from = rows[r] + 2 * i;
      if (count - i < 8) {
        __builtin_memcpy(some, from, static_cast<size_t>(2 * (count - i)));
        from = some;
      }
      x[r] = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)from));
    }
    _mm256_storeu_si256((__m256i*)to, _mm256_or_si256(x[0], _mm256_slli_epi32(x[1], 16)));
  }
}

}  // namespace
}  // namespace subgraft
