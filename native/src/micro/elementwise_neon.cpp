#include "micro/vector_neon.h"
//
#include "micro/elementwise_table.h"

namespace subgraft {

const Elementwise* elementwise_neon();

namespace {

// A quarter of the table at a time: indices beyond it give 0.
void look_up(const void* table, const void* in, void* out, int64_t n) {
  const uint8_t *entries = static_cast<const uint8_t*>(table), *x = static_cast<const uint8_t*>(in);
  uint8_t* y = static_cast<uint8_t*>(out);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const uint8x16_t bytes = vld1q_u8(x + i);
    uint8x16_t found = vqtbl4q_u8(vld1q_u8_x4(entries), bytes);
    for (int quarter = 1; quarter < 4; ++quarter) {
      const uint8x16_t index = vsubq_u8(bytes, vdupq_n_u8(static_cast<uint8_t>(64 * quarter)));
      found = vorrq_u8(found, vqtbl4q_u8(vld1q_u8_x4(entries + 64 * quarter), index));
    }
    vst1q_u8(y + i, found);
  }
  for (; i < n; ++i) y[i] = entries[x[i]];
}

void widen_half(const void*, const void* in, void* out, int64_t n) {
  const uint16_t* x = static_cast<const uint16_t*>(in);
  float* y = static_cast<float*>(out);
  const auto widened = [](uint16x4_t halves) { return (Floats)vcvt_f32_f16(vreinterpret_f16_u16(halves)); };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, widened(vld1_u16(x + i)));
  if (i == n) return;
  uint16_t last[kLanes] = {};
  for (int64_t k = i; k < n; ++k) last[k - i] = x[k];
  store(y + i, widened(vld1_u16(last)), n - i);
}

constexpr Elementwise kTable = elementwise_table(look_up, widen_half);

}  // namespace

const Elementwise* elementwise_neon() { return &kTable; }

}  // namespace subgraft
