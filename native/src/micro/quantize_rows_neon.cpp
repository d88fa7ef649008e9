#include "micro/lanes_neon.h"

namespace subgraft {
namespace {

// NaN becomes the lowest.
inline Floats bounded_to_integers(Floats x) { return min(max(x, broadcast(-1000.f)), broadcast(1000.f)); }

// Integers to bytes: those beyond 16 bits stay the least and the greatest there are.
struct FourVectors {
  int16x8_t zero;
  int8x16_t least;
  uint8x16_t flip;
  FourVectors(int32_t zero_point, int32_t min, uint8_t mask)
      : zero(vdupq_n_s16(static_cast<int16_t>(zero_point))),
        least(vdupq_n_s8(static_cast<int8_t>(min))),
        flip(vdupq_n_u8(mask)) {}
  void store(uint8_t* to, Ints a, Ints b, Ints c, Ints d) const {
    const int16x8_t first = vqaddq_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)), zero);
    const int16x8_t second = vqaddq_s16(vcombine_s16(vqmovn_s32(c), vqmovn_s32(d)), zero);
    const int8x16_t bytes = vmaxq_s8(vcombine_s8(vqmovn_s16(first), vqmovn_s16(second)), least);
    vst1q_u8(to, veorq_u8(vreinterpretq_u8_s8(bytes), flip));
  }
};

inline void store_smallest(float* to, const Floats (&x)[4]) {
  for (int i = 0; i < 4; ++i) to[i] = smallest(x[i]);
}
inline void store_largest(float* to, const Floats (&x)[4]) {
  for (int i = 0; i < 4; ++i) to[i] = largest(x[i]);
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/quantize_rows_body.h"

namespace subgraft {

const QuantizeRows* quantize_rows_neon();

const QuantizeRows* quantize_rows_neon() { return &kQuantizeRows; }

}  // namespace subgraft
