#include <cstdint>

#include "micro/requantize_neon.h"

namespace subgraft {
namespace {

using Shorts = int16x8_t;
using Ints = int32x4_t;
constexpr int64_t kLanes = 8;

inline Shorts all(int value) { return vdupq_n_s16(static_cast<int16_t>(value)); }
inline Shorts load(const int16_t* p) { return vld1q_s16(p); }
inline void store(int16_t* p, Shorts x) { vst1q_s16(p, x); }
inline Shorts add(Shorts a, Shorts b) { return vaddq_s16(a, b); }
inline Shorts add_saturated(Shorts a, Shorts b) { return vqaddq_s16(a, b); }
inline Shorts subtract(Shorts a, Shorts b) { return vsubq_s16(a, b); }
// Gemmlowp's product.
inline Shorts multiply(Shorts a, Shorts b) { return vqrdmulhq_s16(a, b); }
inline Shorts both(Shorts a, Shorts b) { return vandq_s16(a, b); }
template <int by>
inline Shorts shift_left(Shorts x) {
  return vshlq_n_s16(x, by);
}
template <int by>
inline Shorts shift_right(Shorts x) {
  return vshrq_n_s16(x, by);
}
// -1 where it is true.
inline Shorts equal(Shorts a, Shorts b) { return vreinterpretq_s16_u16(vceqq_s16(a, b)); }
inline Shorts greater(Shorts a, Shorts b) { return vreinterpretq_s16_u16(vcgtq_s16(a, b)); }
inline Shorts pick(Shorts mask, Shorts a, Shorts b) { return vbslq_s16(vreinterpretq_u16_s16(mask), a, b); }
// Saturated.
inline void store_bytes(int8_t* p, Shorts x) { vst1_s8(p, vqmovn_s16(x)); }

inline Ints ints(int32_t value) { return vdupq_n_s32(value); }
inline Ints load(const int32_t* p) { return vld1q_s32(p); }
inline Ints plus(Ints a, Ints b) { return vaddq_s32(a, b); }
inline Ints minus(Ints a, Ints b) { return vsubq_s32(a, b); }
inline Ints times(Ints a, Ints b) { return vmulq_s32(a, b); }
inline Ints min(Ints a, Ints b) { return vminq_s32(a, b); }
inline Ints max(Ints a, Ints b) { return vmaxq_s32(a, b); }
inline Ints both(Ints a, Ints b) { return vandq_s32(a, b); }
inline Ints greater(Ints a, Ints b) { return vreinterpretq_s32_u32(vcgtq_s32(a, b)); }
inline Ints shift_right(Ints a, int by) { return vshlq_s32(a, vdupq_n_s32(-by)); }
inline Ints low_half(Ints a) { return vshrq_n_s32(vshlq_n_s32(a, 16), 16); }

using Rescale = Rescale128;
inline Rescale make_rescale(int32_t multiplier, int32_t shift) {
  return make_rescale128(ints(multiplier), ints(shift));
}
inline Ints rescale(Ints a, const Rescale& scale) { return rescale128(a, scale); }

struct Halves {
  Ints first, second;
};
inline Halves widened(Shorts x) { return {vmovl_s16(vget_low_s16(x)), vmovl_high_s16(x)}; }
inline Shorts saturated(Halves x) { return vqmovn_high_s32(vqmovn_s32(x.first), x.second); }

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/lstm_steps_body.h"

namespace subgraft {

const LstmSteps* lstm_steps_neon();

const LstmSteps* lstm_steps_neon() { return &kSteps; }

}  // namespace subgraft
