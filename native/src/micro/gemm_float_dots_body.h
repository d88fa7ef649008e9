// FloatDots of gemm_float.h, written once, with the vectors that gemm_float_body.h describes.
#pragma once

#include <cstdint>

#include "micro/gemm_float_body.h"

namespace subgraft {
namespace {

constexpr int kMostDotRows = 8, kMostDotColumns = kRegisters >= 32 ? 8 : 4;
// Sums at once; the operands need a few registers more.
constexpr int kMostDots = kRegisters >= 32 ? 24 : 8;

template <int rows, int columns>
inline __attribute__((always_inline)) void add_dots(V (&sums)[rows][columns], const V (&x)[rows],
                                                    const V (&w)[columns]) {
  SUBGRAFT_UNROLL
  for (int c = 0; c < columns; ++c) SUBGRAFT_UNROLL
  for (int r = 0; r < rows; ++r) sums[r][c] = multiply_add(x[r], w[c], sums[r][c]);
}

// The tile whose first row is `row` and whose first column is `column`.
template <int rows, int columns>
void dot_tile(const FloatDots& d, int64_t row, int64_t column) {
  V sums[rows][columns];
  SUBGRAFT_UNROLL
  for (int r = 0; r < rows; ++r) SUBGRAFT_UNROLL
  for (int c = 0; c < columns; ++c) sums[r][c] = zero();
  const float* weights = d.weights + column * d.column_step;
  for (int64_t run = 0; run < d.x.runs; ++run, weights += d.x.length) {
    const float* from = d.x.data + row * d.x.step + run * d.x.run_step;
    V x[rows], w[columns];
    int64_t k = 0;
    for (; k + kLanes <= d.x.length; k += kLanes) {
      SUBGRAFT_UNROLL
      for (int r = 0; r < rows; ++r) x[r] = load(from + r * d.x.step + k);
      SUBGRAFT_UNROLL
      for (int c = 0; c < columns; ++c) w[c] = load(weights + c * d.column_step + k);
      add_dots<rows, columns>(sums, x, w);
    }
    const int left = static_cast<int>(d.x.length - k);
    if (left == 0) continue;
    SUBGRAFT_UNROLL
    for (int r = 0; r < rows; ++r) x[r] = load_first(from + r * d.x.step + k, left);
    SUBGRAFT_UNROLL
    for (int c = 0; c < columns; ++c) w[c] = load_first(weights + c * d.column_step + k, left);
    add_dots<rows, columns>(sums, x, w);
  }
  SUBGRAFT_UNROLL
  for (int r = 0; r < rows; ++r) {
    float* out = d.result.out + (row + r) * d.result.step + column;
    SUBGRAFT_UNROLL
    for (int c = 0; c < columns; ++c) {
      const float biased = sum(sums[r][c]) + (d.result.bias ? d.result.bias[column + c] : 0.0f);
      const float bounded = biased < d.result.min ? d.result.min : biased;
      out[c] = bounded > d.result.max ? d.result.max : bounded;
    }
  }
}

using DotTile = void (*)(const FloatDots&, int64_t row, int64_t column);

struct DotTiles {
  DotTile of[kMostDotRows][kMostDotColumns];
};

template <int rows, int columns>
constexpr void list_dot_tiles(DotTiles& tiles) {
  if constexpr (rows * columns <= kMostDots) tiles.of[rows - 1][columns - 1] = dot_tile<rows, columns>;
  if constexpr (columns < kMostDotColumns)
    list_dot_tiles<rows, columns + 1>(tiles);
  else if constexpr (rows < kMostDotRows)
    list_dot_tiles<rows + 1, 1>(tiles);
}

constexpr DotTiles all_dot_tiles() {
  DotTiles tiles{};
  list_dot_tiles<1, 1>(tiles);
  return tiles;
}

constexpr DotTiles kDotTiles = all_dot_tiles();

void multiply_dots(const FloatDots& d) {
  const int64_t column_parts = (d.columns + kMostDotColumns - 1) / kMostDotColumns;
  for (int64_t i = 0; i < column_parts; ++i) {
    const int64_t column = part_begin(d.columns, column_parts, i);
    const int64_t columns = part_begin(d.columns, column_parts, i + 1) - column;
    const int64_t most = smaller(kMostDotRows, kMostDots / columns);
    const int64_t row_parts = (d.x.count + most - 1) / most;
    for (int64_t j = 0; j < row_parts; ++j) {
      const int64_t row = part_begin(d.x.count, row_parts, j);
      const int64_t rows = part_begin(d.x.count, row_parts, j + 1) - row;
      kDotTiles.of[rows - 1][columns - 1](d, row, column);
      if (d.result.then.apply)
        d.result.then.apply(part_of(d.result.then, row, d.result.step, column),
                            d.result.out + row * d.result.step + column, d.result.step, rows, columns);
    }
  }
}

}  // namespace
}  // namespace subgraft
