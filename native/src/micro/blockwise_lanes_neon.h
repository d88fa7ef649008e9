// What blockwise_body.h needs with NEON, but for the products. Included by files compiled for aarch64 only.
#pragma once

#include "micro/lanes_neon.h"

namespace subgraft {
namespace {

constexpr int kTwoRows = 4, kOneRow = 8;  // vectors of channels that are multiplied at once

inline Ints load_bytes(const uint8_t* p) { return vreinterpretq_s32_u8(vld1q_u8(p)); }
inline Ints lower_halves(Ints x) { return vreinterpretq_s32_u8(vandq_u8(vreinterpretq_u8_s32(x), vdupq_n_u8(15))); }
inline Ints upper_halves(Ints x) { return vreinterpretq_s32_u8(vshrq_n_u8(vreinterpretq_u8_s32(x), 4)); }
constexpr int kUpperShift = 0;
inline Ints broadcast_quad(const int8_t* p) {
  int32_t quad;
  __builtin_memcpy(&quad, p, sizeof quad);
  return vdupq_n_s32(quad);
}
inline Floats load_halves(const uint16_t* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
inline Floats to_floats(Ints x) { return vcvtq_f32_s32(x); }

}  // namespace
}  // namespace subgraft
