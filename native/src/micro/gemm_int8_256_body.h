// Products of 8-bit matrices in vectors of 256 bits, whatever multiplies them. Included by files that are compiled for
// AVX2 or AVX-VNNI.
#pragma once

#include <immintrin.h>

#include "micro/gemm_int8.h"

namespace subgraft {
namespace {

constexpr int64_t kQuadBytes = 4 * kInt8Channels;  // four weights of each channel of a block

[[gnu::always_inline]] inline int32_t four_bytes(const char* at) {
  int32_t value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

struct Operands {
  const char* x;
  int64_t x_stride, quads;
  const int8_t* w;
  const int32_t* initial;
  int32_t* sums;
  int64_t sums_stride;
};

template <typename Tile, int rows>
void multiply_rows(Operands& o, int64_t& left) {
  for (; left >= rows; left -= rows) {
    Tile::template multiply<rows>(o);
    o.x += rows * o.x_stride;
    o.sums += rows * o.sums_stride;
  }
}

// Tile: kRows, and multiply<rows>(operands) for up to as many rows and one block of channels.
template <typename Tile>
void multiply_block(Operands o, int64_t left) {
  multiply_rows<Tile, Tile::kRows>(o, left);
  if constexpr (Tile::kRows > 3) multiply_rows<Tile, 3>(o, left);
  multiply_rows<Tile, 2>(o, left);
  multiply_rows<Tile, 1>(o, left);
}

template <typename Tile>
void multiply_all(const Int8Product& p) {
  const int64_t padded_depth = (p.depth + kInt8Depth - 1) / kInt8Depth * kInt8Depth;
  Operands o{static_cast<const char*>(p.x), p.x_stride, (p.depth + 3) / 4, p.weights, p.initial, p.sums, p.sums_stride};
  for (int64_t block = 0; block < p.blocks; ++block) {
    multiply_block<Tile>(o, p.rows);
    o.w += kInt8Channels * padded_depth;
    if (o.initial) o.initial += kInt8Channels;
    o.sums += kInt8Channels;
  }
}

}  // namespace
}  // namespace subgraft
