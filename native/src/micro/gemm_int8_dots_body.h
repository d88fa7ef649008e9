// Products of 8-bit matrices with AVX-512's dot products of four bytes. Included by files that are compiled for
// AVX-512 VNNI.
#pragma once

#include <immintrin.h>

#include "micro/gemm_int8.h"

namespace subgraft {
namespace {

constexpr int64_t kQuadBytes = 4 * kInt8Channels;  // four weights of each channel of a block

struct Operands {
  const char* x;
  int64_t x_stride, quads;
  const int8_t* w;
  int64_t block_bytes;
  const int32_t* initial;
  int32_t* sums;
  int64_t sums_stride;
};

[[gnu::always_inline]] inline int32_t four_bytes(const char* at) {
  int32_t value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

// `rows` rows times `blocks` blocks. Small tiles are unrolled along the depth: a dot product takes five cycles, and two
// can begin in each.
template <int rows, int blocks>
void multiply_tile(const Operands& o) {
  constexpr int kUnroll = rows * blocks >= 8 ? 1 : rows * blocks >= 4 ? 2 : 4;
  __m512i sums[kUnroll][rows][blocks];
  for (int u = 0; u < kUnroll; ++u)
    for (int r = 0; r < rows; ++r)
      for (int b = 0; b < blocks; ++b)
        sums[u][r][b] =
            u == 0 && o.initial ? _mm512_loadu_si512(o.initial + b * kInt8Channels) : _mm512_setzero_si512();
  const auto add = [&](int64_t quad, __m512i(&to)[rows][blocks]) {
    __m512i w[blocks];
    for (int b = 0; b < blocks; ++b) w[b] = _mm512_load_si512(o.w + b * o.block_bytes + quad * kQuadBytes);
    for (int r = 0; r < rows; ++r) {
      const __m512i x = _mm512_set1_epi32(four_bytes(o.x + r * o.x_stride + quad * 4));
      for (int b = 0; b < blocks; ++b) to[r][b] = _mm512_dpbusd_epi32(to[r][b], x, w[b]);
    }
  };
  int64_t quad = 0;
  for (; quad + kUnroll <= o.quads; quad += kUnroll)
    for (int u = 0; u < kUnroll; ++u) add(quad + u, sums[u]);
  if constexpr (kUnroll > 1)
    for (; quad < o.quads; ++quad) add(quad, sums[0]);
  for (int r = 0; r < rows; ++r)
    for (int b = 0; b < blocks; ++b) {
      for (int u = 1; u < kUnroll; ++u) sums[0][r][b] = _mm512_add_epi32(sums[0][r][b], sums[u][r][b]);
      _mm512_store_si512(o.sums + r * o.sums_stride + b * kInt8Channels, sums[0][r][b]);
    }
}

template <int rows, int blocks>
void multiply_rows(Operands& o, int64_t& left) {
  for (; left >= rows; left -= rows) {
    multiply_tile<rows, blocks>(o);
    o.x += rows * o.x_stride;
    o.sums += rows * o.sums_stride;
  }
}

template <int rows, int blocks>
void multiply_blocks(Operands o, int64_t left) {
  multiply_rows<rows, blocks>(o, left);
  if constexpr (rows > 8) multiply_rows<8, blocks>(o, left);
  if constexpr (rows > 4) multiply_rows<4, blocks>(o, left);
  multiply_rows<2, blocks>(o, left);
  multiply_rows<1, blocks>(o, left);
}

void multiply_with_dots(const Int8Product& p) {
  const int64_t padded_depth = (p.depth + kInt8Depth - 1) / kInt8Depth * kInt8Depth;
  Operands o{static_cast<const char*>(p.x),
             p.x_stride,
             (p.depth + 3) / 4,
             p.weights,
             kInt8Channels * padded_depth,
             p.initial,
             p.sums,
             p.sums_stride};
  for (int64_t left = p.blocks; left > 0;) {
    // 24 accumulators, but for one block.
    const int64_t blocks = left == 5 ? 3 : left < 4 ? left : 4;
    if (blocks == 4)
      multiply_blocks<6, 4>(o, p.rows);
    else if (blocks == 3)
      multiply_blocks<8, 3>(o, p.rows);
    else if (blocks == 2)
      multiply_blocks<12, 2>(o, p.rows);
    else
      multiply_blocks<12, 1>(o, p.rows);
    left -= blocks;
    o.w += blocks * o.block_bytes;
    if (o.initial) o.initial += blocks * kInt8Channels;
    o.sums += blocks * kInt8Channels;
  }
}

}  // namespace
}  // namespace subgraft
