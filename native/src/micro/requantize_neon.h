// rescale() of core/fixed_point.h for four values at once, exact for every value. Included by files that are compiled
// for aarch64.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace subgraft {
namespace {

// What a vector of multipliers and shifts needs, made once for many vectors of values.
struct Rescale128 {
  int32x4_t multiplier, left, right;  // right: not positive
};

// One multiplier and one shift (Multiplier::shift: positive to the left) for each lane.
[[gnu::always_inline]] inline Rescale128 make_rescale128(int32x4_t multiplier, int32x4_t shift) {
  const int32x4_t zero = vdupq_n_s32(0);
  return {multiplier, vmaxq_s32(shift, zero), vminq_s32(shift, zero)};
}

// rescale(x, multiplier). A left shift wraps around.
[[gnu::always_inline]] inline int32x4_t rescale128(int32x4_t x, const Rescale128& c) {
  const int32x4_t high = vqrdmulhq_s32(vshlq_s32(x, c.left), c.multiplier);
  // The shift rounds ties upwards: what is negative, and is shifted at all, is one less before.
  const int32x4_t away = vshrq_n_s32(vandq_s32(high, c.right), 31);
  return vrshlq_s32(vqaddq_s32(high, away), c.right);
}

}  // namespace
}  // namespace subgraft
