// The products of gemm_int16.h for any instruction set: its lanes and add_products() are included before.
#pragma once

#include "micro/gemm_int16.h"

namespace subgraft {
namespace {

constexpr int kVectors = kInt16Channels / kLanes;  // of one block

// How far the products of a tile have come.
struct Walk {
  const Int16Product& product;
  int64_t first_row;
  int64_t run = 0, k = 0;  // the next pair
};

// Up to `most` pairs for `rows` rows and `vectors` vectors of channels.
template <int rows, int vectors>
[[gnu::always_inline]] inline void walk(Walk& at, const int8_t* weights, int64_t most, Ints (&sums)[rows][vectors]) {
  const Int16Product& p = at.product;
  const int64_t pairs = p.run / 2, block = p.runs * p.run * kInt16Channels;
  while (most > 0 && at.run < p.runs) {
    const int64_t count = pairs - at.k < most ? pairs - at.k : most;
    const int16_t* x[rows];
    for (int r = 0; r < rows; ++r) x[r] = p.x[at.run * p.rows + at.first_row + r] + 2 * at.k;
    const int8_t* w = weights + (at.run * pairs + at.k) * 2 * kInt16Channels;
    for (int64_t i = 0; i < count; ++i, w += 2 * kInt16Channels) {
      Ints pair[vectors];
      for (int j = 0; j < vectors; ++j) pair[j] = load_pairs(w + j / kVectors * block + j % kVectors * 2 * kLanes);
      for (int r = 0; r < rows; ++r) {
        const Ints of_row = broadcast_pair(x[r] + 2 * i);
        for (int j = 0; j < vectors; ++j) sums[r][j] = add_products(sums[r][j], of_row, pair[j]);
      }
    }
    most -= count;
    at.k += count;
    if (at.k == pairs) {
      at.k = 0;
      ++at.run;
    }
  }
}

template <int rows, int vectors>
void tile32(const Int16Product& p, int64_t first_row, int64_t first_block) {
  Ints sums[rows][vectors];
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < vectors; ++j) sums[r][j] = broadcast(int32_t{0});
  Walk at{p, first_row};
  walk(at, static_cast<const int8_t*>(p.weights) + first_block * p.runs * p.run * kInt16Channels, INT64_MAX, sums);
  int32_t* out = static_cast<int32_t*>(p.sums) + first_row * p.stride + first_block * kInt16Channels;
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < vectors; ++j) store(out + r * p.stride + j * kLanes, sums[r][j]);
}

template <int rows, int vectors>
void tile64(const Int16Product& p, int64_t first_row, int64_t first_block) {
  constexpr int64_t kPairs = kExact32 / 2;
  int64_t* out = static_cast<int64_t*>(p.sums) + first_row * p.stride + first_block * kInt16Channels;
  const int8_t* weights = static_cast<const int8_t*>(p.weights) + first_block * p.runs * p.run * kInt16Channels;
  Walk at{p, first_row};
  bool first = true;
  do {
    Ints sums[rows][vectors];
    for (int r = 0; r < rows; ++r)
      for (int j = 0; j < vectors; ++j) sums[r][j] = broadcast(int32_t{0});
    walk(at, weights, kPairs, sums);
    for (int r = 0; r < rows; ++r)
      for (int j = 0; j < vectors; ++j) store_wide(out + r * p.stride + j * kLanes, sums[r][j], !first);
    first = false;
  } while (at.run < p.runs);
}

template <int rows, bool wide>
void rows_of_tiles(const Int16Product& p, int64_t first_row) {
  constexpr int kMost = kRegisters / rows >= 4 ? 4 : 2;  // vectors at once
  constexpr auto tile = [](const Int16Product& product, int64_t row, int64_t block, auto vectors) {
    if constexpr (wide)
      tile64<rows, decltype(vectors)::value>(product, row, block);
    else
      tile32<rows, decltype(vectors)::value>(product, row, block);
  };
  int64_t block = 0;
  for (; block + kMost / kVectors <= p.blocks; block += kMost / kVectors) tile(p, first_row, block, Number<kMost>());
  if constexpr (kMost > 2 && kVectors <= 2)
    for (; block + 2 / kVectors <= p.blocks; block += 2 / kVectors) tile(p, first_row, block, Number<2>());
  if constexpr (kVectors == 1)
    for (; block < p.blocks; ++block) tile(p, first_row, block, Number<1>());
}

template <bool wide>
void multiply16(const Int16Product& p) {
  int64_t row = 0;
  if constexpr (kMostRows >= 8)
    for (; row + 8 <= p.rows; row += 8) rows_of_tiles<8, wide>(p, row);
  for (; row + 4 <= p.rows; row += 4) rows_of_tiles<4, wide>(p, row);
  for (; row + 2 <= p.rows; row += 2) rows_of_tiles<2, wide>(p, row);
  for (; row < p.rows; ++row) rows_of_tiles<1, wide>(p, row);
}

// Weights are taken apart: sums of 127 pairs with numbers from 0 to 255 fit into 32 bits, whatever the activations.
constexpr int64_t kExactPairs = kExact32 / 4;

template <int rows, int vectors>
void tile_of_int16(const Int16Product& p, int64_t first_row, int64_t first_block) {
  const int64_t pairs = p.run / 2, block = p.run * kInt16Channels;
  const int16_t* weights = static_cast<const int16_t*>(p.weights) + first_block * block;
  int64_t* out = static_cast<int64_t*>(p.sums) + first_row * p.stride + first_block * kInt16Channels;
  for (int64_t begin = 0; begin < pairs; begin += kExactPairs) {
    const int64_t end = pairs - begin < kExactPairs ? pairs : begin + kExactPairs;
    Ints high[rows][vectors], low[rows][vectors];
    for (int r = 0; r < rows; ++r)
      for (int j = 0; j < vectors; ++j) high[r][j] = low[r][j] = broadcast(int32_t{0});
    for (int64_t i = begin; i < end; ++i) {
      Ints upper[vectors], lower[vectors];
      for (int j = 0; j < vectors; ++j) {
        const Ints pair = load_pairs(weights + j / kVectors * block + (i * kVectors + j % kVectors) * 2 * kLanes);
        upper[j] = upper_bytes(pair);
        lower[j] = lower_bytes(pair);
      }
      for (int r = 0; r < rows; ++r) {
        const Ints of_row = broadcast_pair(p.x[first_row + r] + 2 * i);
        for (int j = 0; j < vectors; ++j) {
          high[r][j] = add_products(high[r][j], of_row, upper[j]);
          low[r][j] = add_products(low[r][j], of_row, lower[j]);
        }
      }
    }
    for (int r = 0; r < rows; ++r)
      for (int j = 0; j < vectors; ++j) store_wide(out + r * p.stride + j * kLanes, high[r][j], low[r][j], begin > 0);
  }
}

template <int rows>
void rows_of_int16(const Int16Product& p, int64_t first_row) {
  int64_t block = 0;
  if constexpr (kVectors == 1)
    for (; block + 2 <= p.blocks; block += 2) tile_of_int16<rows, 2>(p, first_row, block);
  for (; block < p.blocks; ++block) tile_of_int16<rows, kVectors>(p, first_row, block);
}

void multiply_of_int16(const Int16Product& p) {
  constexpr int kRows = kMostRows / 2;
  int64_t row = 0;
  for (; row + kRows <= p.rows; row += kRows) rows_of_int16<kRows>(p, row);
  for (; row < p.rows; ++row) rows_of_int16<1>(p, row);
}

constexpr Int16Gemm kInt16Gemm{multiply16<false>, multiply16<true>, multiply_of_int16};

}  // namespace
}  // namespace subgraft
