#include "micro/lanes_neon.h"

namespace subgraft {
namespace {

constexpr int kMostRows = 4, kRegisters = 16;  // of a tile, and those its sums may take

template <int n>
struct Number {
  static constexpr int value = n;
};

inline Ints load_pairs(const int8_t* p) { return vreinterpretq_s32_s16(vmovl_s8(vld1_s8(p))); }
inline Ints load_pairs(const int16_t* p) { return vreinterpretq_s32_s16(vld1q_s16(p)); }
inline Ints broadcast_pair(const int16_t* p) {
  int32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return vdupq_n_s32(pair);
}
inline void store(int32_t* p, Ints x) { vst1q_s32(p, x); }
// Four numbers of 64 bits, added to what is there or not.
inline void store_wide(int64_t* p, Ints x, bool add) {
  const int64x2_t zero = vdupq_n_s64(0);
  vst1q_s64(p, vaddw_s32(add ? vld1q_s64(p) : zero, vget_low_s32(x)));
  vst1q_s64(p + 2, vaddw_high_s32(add ? vld1q_s64(p + 2) : zero, x));
}
// The same of 256 * high + low.
inline void store_wide(int64_t* p, Ints high, Ints low, bool add) {
  const int64x2_t zero = vdupq_n_s64(0);
  const int64x2_t first = vaddw_s32(vshll_n_s32(vget_low_s32(high), 8), vget_low_s32(low));
  const int64x2_t second = vaddw_high_s32(vshll_high_n_s32(high, 8), low);
  vst1q_s64(p, vaddq_s64(add ? vld1q_s64(p) : zero, first));
  vst1q_s64(p + 2, vaddq_s64(add ? vld1q_s64(p + 2) : zero, second));
}
// Of pairs: as signed numbers, and as numbers from 0 to 255.
inline Ints upper_bytes(Ints x) { return vreinterpretq_s32_s16(vshrq_n_s16(vreinterpretq_s16_s32(x), 8)); }
inline Ints lower_bytes(Ints x) { return vreinterpretq_s32_s16(vandq_s16(vreinterpretq_s16_s32(x), vdupq_n_s16(255))); }
inline Ints add_products(Ints sums, Ints x, Ints w) {
  const int16x8_t a = vreinterpretq_s16_s32(x), b = vreinterpretq_s16_s32(w);
  return vaddq_s32(sums, vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b)));
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/gemm_int16_body.h"

namespace subgraft {

const Int16Gemm* int16_gemm_neon();

const Int16Gemm* int16_gemm_neon() { return &kInt16Gemm; }

}  // namespace subgraft
