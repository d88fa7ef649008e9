// What the kernels of DEPTHWISE_CONV_2D need of NEON beside the common lanes; 8-bit dot products where the file is
// compiled for them.
#pragma once

#include <cstddef>

#include "micro/lanes_neon.h"
#include "micro/requantize_neon.h"

namespace subgraft {
namespace {

constexpr bool kManyRegisters = true;  // 32 of them

using Rescale = Rescale128;
inline Rescale make_rescale(Ints multiplier, Ints shift) { return make_rescale128(multiplier, shift); }
inline Ints rescale(Ints x, const Rescale& c) { return rescale128(x, c); }

inline Ints load_vector(const std::byte* p) {
  return vreinterpretq_s32_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(p)));
}

#if defined(__ARM_FEATURE_MATMUL_INT8)
constexpr bool kPairedWeights = false;
using Column = uint8x16_t;
inline Column column(const std::byte* p) { return vld1q_u8(reinterpret_cast<const uint8_t*>(p)); }
inline Ints dot_one(Ints sum, Column x, Ints w) { return vusdotq_s32(sum, x, vreinterpretq_s8_s32(w)); }
#elif defined(__ARM_FEATURE_DOTPROD)
constexpr bool kPairedWeights = false;
using Column = int8x16_t;  // less 128
inline Column column(const std::byte* p) {
  return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(p)), vdupq_n_u8(0x80)));
}
inline Ints dot_one(Ints sum, Column x, Ints w) {
  const int8x16_t weights = vreinterpretq_s8_s32(w), half = vdupq_n_s8(64);
  return vdotq_s32(vdotq_s32(vdotq_s32(sum, x, weights), half, weights), half, weights);
}
#else
constexpr bool kPairedWeights = true;
struct Column {
  int16x8_t even, odd;
};
inline Column column(const std::byte* p) {
  const uint16x8_t x = vreinterpretq_u16_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(p)));
  return {vreinterpretq_s16_u16(vandq_u16(x, vdupq_n_u16(0xff))), vreinterpretq_s16_u16(vshrq_n_u16(x, 8))};
}
template <int parts>
inline Ints dot(Ints sum, Column x, const Ints* w) {
  static_assert(parts == 2);
  const int16x8_t even = vreinterpretq_s16_s32(w[0]), odd = vreinterpretq_s16_s32(w[1]);
  const int32x4_t low =
      vmlal_s16(vmull_s16(vget_low_s16(x.even), vget_low_s16(even)), vget_low_s16(x.odd), vget_low_s16(odd));
  const int32x4_t high = vmlal_high_s16(vmull_high_s16(x.even, even), x.odd, odd);
  return vaddq_s32(sum, vpaddq_s32(low, high));
}
#endif

#if defined(__ARM_FEATURE_DOTPROD)
template <int parts>
inline Ints dot(Ints sum, Column x, const Ints* w) {
  sum = dot_one(sum, x, w[0]);
  if constexpr (parts == 2) sum = dot_one(sum, x, w[1]);
  return sum;
}
#endif

// Pairs of 16 bits.
struct Pairs {
  Ints x;
};
template <int parts>
inline Ints dot(Ints sum, Pairs pairs, const Ints* w) {
  const int16x8_t x = vreinterpretq_s16_s32(pairs.x), weights = vreinterpretq_s16_s32(w[0]);
  const int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(weights));
  return vaddq_s32(sum, vpaddq_s32(low, vmull_high_s16(x, weights)));
}

// The high halves of (x * factor + addend), all unsigned: `even` and `odd` are for those lanes.
inline Ints multiply_high(Ints x, Ints even, Ints odd, Ints add_even, Ints add_odd) {
  const uint64x2_t wide = vreinterpretq_u64_s32(x);
  const uint32x2_t even_factors = vmovn_u64(vreinterpretq_u64_s32(even));
  const uint32x2_t odd_factors = vmovn_u64(vreinterpretq_u64_s32(odd));
  const uint64x2_t low = vmlal_u32(vreinterpretq_u64_s32(add_even), vmovn_u64(wide), even_factors);
  const uint64x2_t high = vmlal_u32(vreinterpretq_u64_s32(add_odd), vshrn_n_u64(wide, 32), odd_factors);
  return vtrn2q_s32(vreinterpretq_s32_u64(low), vreinterpretq_s32_u64(high));
}
// The low halves of (x * factor + addend) >> shift, signed: `odd`, the additions and the shifts hold 64 bits.
inline Ints multiply_shift(Ints x, Ints even, Ints odd, Ints add_even, Ints add_odd, Ints shift_even, Ints shift_odd) {
  const auto wide = [](Ints y) { return vreinterpretq_s64_s32(y); };
  const int64x2_t low = vmlal_s32(wide(add_even), vmovn_s64(wide(x)), vmovn_s64(wide(even)));
  const int64x2_t high = vmlal_s32(wide(add_odd), vshrn_n_s64(wide(x), 32), vmovn_s64(wide(odd)));
  const int64x2_t shifted_low = vshlq_s64(low, vnegq_s64(wide(shift_even)));
  const int64x2_t shifted_high = vshlq_s64(high, vnegq_s64(wide(shift_odd)));
  return vtrn1q_s32(vreinterpretq_s32_s64(shifted_low), vreinterpretq_s32_s64(shifted_high));
}
inline Ints decrease_where_less(Ints x, Ints limit) { return vaddq_s32(x, vreinterpretq_s32_u32(vcltq_s32(x, limit))); }
inline Ints shift_right_each(Ints x, Ints by) { return vshlq_s32(x, vnegq_s32(by)); }
inline Floats pick_lanes(Floats x, Ints index) {
  float values[kLanes], picked[kLanes];
  int32_t at[kLanes];
  vst1q_f32(values, x);
  vst1q_s32(at, index);
  for (int i = 0; i < kLanes; ++i) picked[i] = values[at[i]];
  return vld1q_f32(picked);
}
inline Floats to_real(Ints x) { return vcvtq_f32_s32(x); }

// Four outputs of 8 bits: saturated, `flip` turns int8 into uint8.
struct Bytes {
  int8x8_t low, high, flip;
};
inline Bytes make_bytes(int32_t min, int32_t max, bool is_signed) {
  const int32_t shift = is_signed ? 0 : 128;
  return {vdup_n_s8(static_cast<int8_t>(min - shift)), vdup_n_s8(static_cast<int8_t>(max - shift)),
          vdup_n_s8(static_cast<int8_t>(shift))};
}
inline void store_bytes(std::byte* p, Ints x, const Bytes& bytes) {
  const int16x4_t narrow = vqmovn_s32(x);
  const int8x8_t packed = vqmovn_s16(vcombine_s16(narrow, narrow));
  const int8x8_t clamped = veor_s8(vmin_s8(vmax_s8(packed, bytes.low), bytes.high), bytes.flip);
  const int32_t four = vget_lane_s32(vreinterpret_s32_s8(clamped), 0);
  __builtin_memcpy(p, &four, sizeof four);
}

// Four such vectors, `step` bytes apart.
inline void store_bytes(std::byte* p, int64_t step, const Ints* x, const Bytes& bytes) {
  const int16x8_t pairs = vcombine_s16(vqmovn_s32(x[0]), vqmovn_s32(x[1]));
  const int16x8_t others = vcombine_s16(vqmovn_s32(x[2]), vqmovn_s32(x[3]));
  int8x16_t all = vcombine_s8(vqmovn_s16(pairs), vqmovn_s16(others));
  all = vmaxq_s8(all, vcombine_s8(bytes.low, bytes.low));
  all = veorq_s8(vminq_s8(all, vcombine_s8(bytes.high, bytes.high)), vcombine_s8(bytes.flip, bytes.flip));
  int32_t fours[4];
  vst1q_s32(fours, vreinterpretq_s32_s8(all));
  for (int i = 0; i < 4; ++i) __builtin_memcpy(p + i * step, &fours[i], sizeof fours[i]);
}

// Interleaves `count` bytes of four rows, each with `flip` applied.
inline void interleave(const std::byte* const* rows, int64_t count, int32_t flip, std::byte* to) {
  const uint8_t* from[4];
  for (int r = 0; r < 4; ++r) from[r] = reinterpret_cast<const uint8_t*>(rows[r]);
  const uint8x16_t flips = vdupq_n_u8(static_cast<uint8_t>(flip));
  uint8_t* out = reinterpret_cast<uint8_t*>(to);
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const uint8x16x4_t x = {veorq_u8(vld1q_u8(from[0] + i), flips), veorq_u8(vld1q_u8(from[1] + i), flips),
                            veorq_u8(vld1q_u8(from[2] + i), flips), veorq_u8(vld1q_u8(from[3] + i), flips)};
    vst4q_u8(out + 4 * i, x);
  }
  for (; i < count; ++i)
    for (int r = 0; r < 4; ++r) out[4 * i + r] = static_cast<uint8_t>(from[r][i] ^ flip);
}

// Interleaves `count` values of 16 bits of two rows.
inline void interleave_pairs(const std::byte* const* rows, int64_t count, std::byte* to) {
  const uint8_t *a = reinterpret_cast<const uint8_t*>(rows[0]), *b = reinterpret_cast<const uint8_t*>(rows[1]);
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const uint16x8x2_t x = {vreinterpretq_u16_u8(vld1q_u8(a + 2 * i)), vreinterpretq_u16_u8(vld1q_u8(b + 2 * i))};
    vst2q_u16(reinterpret_cast<uint16_t*>(to + 4 * i), x);
  }
  for (; i < count; ++i) {
    __builtin_memcpy(to + 4 * i, a + 2 * i, 2);
    __builtin_memcpy(to + 4 * i + 2, b + 2 * i, 2);
  }
}

}  // namespace
}  // namespace subgraft
