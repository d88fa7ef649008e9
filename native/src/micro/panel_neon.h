// Panels of activations with NEON. Included by files that are compiled for aarch64.
#pragma once

#include <arm_neon.h>

#include <cstdint>

#include "micro/gemm_int8.h"

namespace subgraft {
namespace {

// 0 to 15 bytes.
[[gnu::always_inline]] inline void copy_few(const uint8_t* from, uint8_t* to, int64_t bytes, uint8x16_t flip) {
  if (bytes >= 8) {
    // Two words that overlap.
    vst1_u8(to, veor_u8(vld1_u8(from), vget_low_u8(flip)));
    vst1_u8(to + bytes - 8, veor_u8(vld1_u8(from + bytes - 8), vget_low_u8(flip)));
    return;
  }
  for (int64_t k = 0; k < bytes; ++k) to[k] = from[k] ^ vgetq_lane_u8(flip, 0);
}

void copy_runs(const Int8Runs& r) {
  const uint8x16_t flip = vdupq_n_u8(r.flip);
  const uint8_t* position = r.from;
  for (int64_t i = 0; i < r.positions; ++i, position += r.step) {
    uint8_t* to = r.to + i * r.to_stride;
    const uint8_t* row = position;
    for (int64_t y = 0; y < r.y_runs; ++y, row += r.y_step) {
      const uint8_t* from = row;
      for (int64_t x = 0; x < r.x_runs; ++x, from += r.x_step, to += r.bytes) {
        int64_t k = 0;
        for (; k + 16 <= r.bytes; k += 16) vst1q_u8(to + k, veorq_u8(vld1q_u8(from + k), flip));
        copy_few(from + k, to + k, r.bytes - k, flip);
      }
    }
  }
}

void sum_rows(const uint8_t* x, int64_t x_stride, int64_t rows, int64_t depth, int32_t factor, int32_t* sums) {
  for (int64_t row = 0; row < rows; ++row, x += x_stride) {
    uint32x4_t lanes = vdupq_n_u32(0);
    int64_t k = 0;
    for (; k + 16 <= depth; k += 16) lanes = vpadalq_u16(lanes, vpaddlq_u8(vld1q_u8(x + k)));
    uint32_t sum = vaddvq_u32(lanes);
    for (; k < depth; ++k) sum += x[k];
    sums[row] = static_cast<int32_t>(sum * static_cast<uint32_t>(factor));
  }
}

}  // namespace
}  // namespace subgraft
