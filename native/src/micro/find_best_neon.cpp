#include <arm_neon.h>

#include <cstdint>

namespace subgraft {
namespace {

using Bytes = uint8x16_t;

inline Bytes load_bytes(const uint8_t* p) { return vld1q_u8(p); }
inline Bytes broadcast_byte(uint8_t x) { return vdupq_n_u8(x); }
inline Bytes flipped(Bytes x, Bytes by) { return veorq_u8(x, by); }
inline Bytes lesser(Bytes a, Bytes b) { return vminq_u8(a, b); }
inline uint8_t smallest(Bytes x) { return vminvq_u8(x); }

// At least 16 where none is.
inline int64_t first_equal(Bytes a, Bytes b) {
  // Four bits of each byte.
  const uint8x8_t equal = vshrn_n_u16(vreinterpretq_u16_u8(vceqq_u8(a, b)), 4);
  const uint64_t bits = vget_lane_u64(vreinterpret_u64_u8(equal), 0);
  return bits == 0 ? int64_t{sizeof(Bytes)} : __builtin_ctzll(bits) / 4;
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/find_best_body.h"

namespace subgraft {

const FindBest* find_best_neon();

const FindBest* find_best_neon() { return &kFindBest; }

}  // namespace subgraft
