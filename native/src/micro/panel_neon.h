// Panels of activations with NEON. Included by files that are compiled for aarch64.
#pragma once

#include <arm_neon.h>

#include <cstdint>

#include "micro/gemm_int8.h"

namespace subgraft {
namespace {

void copy_pieces(const Int8Piece* pieces, int64_t count, uint8_t flip, uint8_t* panel) {
  const uint8x16_t flips = vdupq_n_u8(flip);
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t* from = pieces[i].from;
    uint8_t* to = panel + pieces[i].to;
    int64_t left = pieces[i].bytes;
    for (; left >= 16; left -= 16, from += 16, to += 16) vst1q_u8(to, veorq_u8(vld1q_u8(from), flips));
    if (left >= 8) {
      vst1_u8(to, veor_u8(vld1_u8(from), vget_low_u8(flips)));
      left -= 8;
      from += 8;
      to += 8;
    }
    for (int64_t k = 0; k < left; ++k) to[k] = from[k] ^ flip;
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
