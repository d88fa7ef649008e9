// Rows of quantized activations with weights that have one scale for each block of neighbours.
#pragma once

#include <cstdint>

namespace subgraft {

constexpr int kBlockwiseChannels = 64;  // rows of the weights, "channels", that are packed together
constexpr int kBlockwiseRows = 4;       // rows of activations of one product, at most

// out[r][c] = clamp((the sum over blocks, in their order, of float(sum of x * w) * scale - zero * weight sum) * row's
// scale + bias).
struct BlockwiseProduct {
  const int8_t* x;  // [rows, depth]
  int64_t depth, block, rows;
  // Of the first group of channels: [depth / 4][64][4] of w + 128, or, where they have 4 bits, [depth / 8][64][4] of
  // w + 8 with the four neighbours further on in the upper halves.
  const uint8_t* weights;
  const uint16_t* scales;                                   // float16; [groups of channels][blocks][64]
  const float *weight_sums, *bias;                          // of whole groups of channels
  const int32_t* x_sums;                                    // [rows, blocks]: of the blocks of x, times 128 or 8
  float row_scales[kBlockwiseRows], zeros[kBlockwiseRows];  // of each row
  float min, max;
  float* out;  // of the first channel
  int64_t channels, out_stride;
};

struct Blockwise {
  void (*of_4_bits)(const BlockwiseProduct&);  // the block is a multiple of 8
  void (*of_8_bits)(const BlockwiseProduct&);  // and of 4; null: the reference has to do
};

const Blockwise* blockwise();  // null: the reference has to do

}  // namespace subgraft
