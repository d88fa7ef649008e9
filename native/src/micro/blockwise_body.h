// blockwise.h for any instruction set, whose lanes and add_quads() are included before.
#pragma once

#include "micro/blockwise.h"

namespace subgraft {
namespace {

constexpr int kAhead = 4096;        // bytes of weights that are asked for early
constexpr int kQuads = 4 * kLanes;  // bytes of one vector

// The sums of one block; the weights' offset is taken off by the sums that they begin with. `block` is its size, or 0
// where that is known only while running.
template <int bits, int rows, int vectors, int block>
inline void add_block(const BlockwiseProduct& p, const uint8_t* weights, int64_t k, Ints (&sums)[rows][vectors]) {
  constexpr int kDepth = bits == 4 ? 8 : 4;  // of the weights in one vector
  constexpr int kStep = 4 * kBlockwiseChannels;
  const uint8_t* w = weights + k / kDepth * kStep;
  Ints upper[rows][vectors];  // sums of the upper halves of bytes, times 2^kUpperShift
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < vectors; ++j) upper[r][j] = broadcast(int32_t{0});
  const int64_t size = block ? block : p.block;
#pragma GCC unroll 4
  for (int64_t i = 0; i < size; i += kDepth, w += kStep) {
    for (int j = 0; j < vectors * kQuads / 64; ++j) __builtin_prefetch(w + kAhead + j * 64);
    for (int j = 0; j < vectors; ++j) {
      const Ints bytes = load_bytes(w + j * kQuads);
      const Ints low = bits == 4 ? lower_halves(bytes) : bytes;
      for (int r = 0; r < rows; ++r) sums[r][j] = add_quads(sums[r][j], low, broadcast_quad(p.x + r * p.depth + k + i));
      if constexpr (bits == 4) {
        const Ints high = upper_halves(bytes);
        for (int r = 0; r < rows; ++r)
          upper[r][j] = add_quads(upper[r][j], high, broadcast_quad(p.x + r * p.depth + k + i + 4));
      }
    }
  }
  if constexpr (bits == 4)
    for (int r = 0; r < rows; ++r)
      for (int j = 0; j < vectors; ++j) sums[r][j] = plus(sums[r][j], shift_right(upper[r][j], kUpperShift));
}

template <int bits, int rows, int vectors, int block>
void multiply_blocks(const BlockwiseProduct& p, int64_t first_row, int64_t channel) {
  constexpr int kDepth = bits == 4 ? 8 : 4;
  const int64_t blocks = p.depth / p.block;
  const int64_t group = channel / kBlockwiseChannels, within = channel % kBlockwiseChannels;
  BlockwiseProduct of_rows = p;
  of_rows.x += first_row * p.depth;
  const uint8_t* weights = p.weights + (group * p.depth / kDepth * kBlockwiseChannels + within) * 4;
  const uint16_t* scales = p.scales + group * blocks * kBlockwiseChannels + within;
  Floats results[rows][vectors];
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < vectors; ++j) results[r][j] = broadcast(0.f);
  for (int64_t b = 0; b < blocks; ++b) {
    Ints sums[rows][vectors];
    for (int r = 0; r < rows; ++r)
      for (int j = 0; j < vectors; ++j) sums[r][j] = broadcast(-p.x_sums[(first_row + r) * blocks + b]);
    add_block<bits, rows, vectors, block>(of_rows, weights, b * p.block, sums);
    for (int j = 0; j < vectors; ++j) {
      const Floats scale = load_halves(scales + b * kBlockwiseChannels + j * kLanes);
      for (int r = 0; r < rows; ++r) results[r][j] = plus(results[r][j], times(to_floats(sums[r][j]), scale));
    }
  }
  for (int r = 0; r < rows; ++r) {
    const Floats scale = broadcast(p.row_scales[first_row + r]), zero = broadcast(p.zeros[first_row + r]);
    for (int j = 0; j < vectors; ++j) {
      const int64_t at = channel + j * kLanes;
      const Floats centered = minus(results[r][j], times(zero, load(p.weight_sums + at)));
      const Floats biased = plus(times(centered, scale), load(p.bias + at));
      const Floats clamped = min(broadcast(p.max), max(broadcast(p.min), biased));
      float* out = p.out + (first_row + r) * p.out_stride + at;
      if (at + kLanes <= p.channels)
        store(out, clamped);
      else if (at < p.channels)
        store_part(out, clamped, p.channels - at);
    }
  }
}

template <int bits, int block>
void multiply_rows(const BlockwiseProduct& p) {
  int64_t row = 0;
  for (; row + 2 <= p.rows; row += 2)
    for (int64_t channel = 0; channel < p.channels; channel += kTwoRows * kLanes)
      multiply_blocks<bits, 2, kTwoRows, block>(p, row, channel);
  for (; row < p.rows; ++row)
    for (int64_t channel = 0; channel < p.channels; channel += kOneRow * kLanes)
      multiply_blocks<bits, 1, kOneRow, block>(p, row, channel);
}

template <int bits>
void multiply_blockwise(const BlockwiseProduct& p) {
  constexpr int kUsual = 32;  // of converters; its loop is known while compiling
  if (p.block == kUsual)
    multiply_rows<bits, kUsual>(p);
  else
    multiply_rows<bits, 0>(p);
}

}  // namespace
}  // namespace subgraft
