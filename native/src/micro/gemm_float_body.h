// The products of gemm_float.h, written once. A file for an instruction set defines in its unnamed namespace, before it
// includes this one,
//   using V = a vector of kLanes floats (4, 8 or 16); kRegisters, how many of them the processor names;
//   zero(), load(p), load_first(p, n), broadcast(p), store(p, v), store_first(p, v, n), add(a, b),
//   multiply_add(a, b, c) = a * b + c, lower(a, b) and upper(a, b), which are b where either is NaN; sum(v);
//   load_parts(p, step): four floats from p, four from p + step and so on; transpose_parts(v[4]): in each of these
//   parts, float i of vector j becomes float j of vector i.
// where n is 1 to kLanes, and memory after the first n is not touched.
#pragma once

#include <cstdint>

#include "micro/gemm_float.h"
#include "micro/unroll.h"

namespace subgraft {
namespace {

constexpr int kMostRows = 14, kMostVectors = 8;
constexpr int kVectorsOfSlice = kFloatSlice / kLanes;
constexpr int64_t kRowsBytes = 384 * 1024;  // of both the left side and the result: a part of the L2 cache

constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Part i of `count` things divided evenly into `parts`.
constexpr int64_t part_begin(int64_t count, int64_t parts, int64_t i) { return count * i / parts; }

struct Tile {
  const FloatRows* x;
  const float* data;     // of the tile's first row
  const float* weights;  // of its first column's slice and vector
  int64_t slice_step;
  const float* bias;
  float min, max;
  float* out;
  int64_t out_step;
  int in_last_vector;  // columns
};

// Rows r to r + 2 are reached from one pointer, as base, base + step and base + 2 * step.
template <int rows>
struct RowPointers {
  static constexpr int kGroups = (rows + 2) / 3;
  const char* at[kGroups];
  int64_t step;  // bytes

  RowPointers(const float* data, int64_t elements) : step(elements * static_cast<int64_t>(sizeof(float))) {
    SUBGRAFT_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      at[g] = reinterpret_cast<const char*>(data + 3 * g * elements);
      asm("" : "+r"(at[g]));  // a register of its own: the compiler would compute all rows from one
    }
  }
  const float* row(int r, int k) const {
    return reinterpret_cast<const float*>(at[r / 3] + (r % 3) * step + k * static_cast<int64_t>(sizeof(float)));
  }
  void advance(int elements) {
    SUBGRAFT_UNROLL
    for (int g = 0; g < kGroups; ++g) at[g] += elements * static_cast<int64_t>(sizeof(float));
  }
};

template <int rows, int vectors, int depth>
inline __attribute__((always_inline)) void add_products(V (&sums)[rows][vectors], const RowPointers<rows>& x,
                                                        const float* weights, int64_t slice_step) {
  SUBGRAFT_UNROLL
  for (int k = 0; k < depth; ++k) {
    V w[vectors];
    SUBGRAFT_UNROLL
    for (int v = 0; v < vectors; ++v)
      w[v] = load(weights + v / kVectorsOfSlice * slice_step + v % kVectorsOfSlice * kLanes + k * kFloatSlice);
    SUBGRAFT_UNROLL
    for (int r = 0; r < rows; ++r) {
      const V element = broadcast(x.row(r, k));
      SUBGRAFT_UNROLL
      for (int v = 0; v < vectors; ++v) sums[r][v] = multiply_add(element, w[v], sums[r][v]);
    }
  }
}

template <int rows, int vectors>
void multiply_tile(const Tile& t) {
  constexpr int kUnroll = 2;  // longer loops are slower: the processor has to decode them again
  V sums[rows][vectors];
  SUBGRAFT_UNROLL
  for (int v = 0; v < vectors; ++v) {
    const bool whole = v + 1 < vectors || t.in_last_vector == kLanes;
    V bias = zero();
    if (t.bias) bias = whole ? load(t.bias + v * kLanes) : load_first(t.bias + v * kLanes, t.in_last_vector);
    SUBGRAFT_UNROLL
    for (int r = 0; r < rows; ++r) sums[r][v] = bias;
  }
  const float* weights = t.weights;
  for (int64_t run = 0; run < t.x->runs; ++run) {
    RowPointers<rows> x(t.data + run * t.x->run_step, t.x->step);
    int64_t left = t.x->length;
    for (; left >= kUnroll; left -= kUnroll, weights += kUnroll * kFloatSlice, x.advance(kUnroll))
      add_products<rows, vectors, kUnroll>(sums, x, weights, t.slice_step);
    for (; left > 0; --left, weights += kFloatSlice, x.advance(1))
      add_products<rows, vectors, 1>(sums, x, weights, t.slice_step);
  }
  const V min = broadcast(&t.min), max = broadcast(&t.max);
  SUBGRAFT_UNROLL
  for (int r = 0; r < rows; ++r) {
    SUBGRAFT_UNROLL
    for (int v = 0; v < vectors; ++v) {
      float* out = t.out + r * t.out_step + v * kLanes;
      const V result = lower(max, upper(min, sums[r][v]));
      if (v + 1 < vectors || t.in_last_vector == kLanes)
        store(out, result);
      else
        store_first(out, result, t.in_last_vector);
    }
  }
}

using MultiplyTile = void (*)(const Tile&);

struct Tiles {
  MultiplyTile of[kMostRows][kMostVectors];
};

// One register less than there are: compilers want one to load into.
constexpr bool fits(int rows, int vectors) { return rows * vectors + vectors + 1 < kRegisters; }

template <int rows, int vectors>
constexpr void list_tiles(Tiles& tiles) {
  if constexpr (fits(rows, vectors)) tiles.of[rows - 1][vectors - 1] = multiply_tile<rows, vectors>;
  if constexpr (vectors < kMostVectors)
    list_tiles<rows, vectors + 1>(tiles);
  else if constexpr (rows < kMostRows)
    list_tiles<rows + 1, 1>(tiles);
}

constexpr Tiles all_tiles() {
  Tiles tiles{};
  list_tiles<1, 1>(tiles);
  return tiles;
}

constexpr Tiles kTiles = all_tiles();

constexpr int most_rows(int vectors) {
  return static_cast<int>(smaller(kMostRows, (kRegisters - 2 - vectors) / vectors));
}
constexpr int most_vectors(int rows) { return static_cast<int>(smaller(kMostVectors, (kRegisters - 2) / (rows + 1))); }

// Rows [begin, end) times `vectors` vectors of columns from vector `first`.
void multiply_columns(const FloatProduct& p, int64_t begin, int64_t end, int64_t first, int vectors) {
  const int64_t rows = end - begin, blocks = (rows + most_rows(vectors) - 1) / most_rows(vectors);
  const int64_t column = first * kLanes;
  const int64_t in_last = smaller(kLanes, p.columns - column - (vectors - 1) * kLanes);
  Tile tile = {&p.x,
               nullptr,
               p.weights + first / kVectorsOfSlice * p.slice_step + first % kVectorsOfSlice * kLanes,
               p.slice_step,
               p.result.bias ? p.result.bias + column : nullptr,
               p.result.min,
               p.result.max,
               nullptr,
               p.result.step,
               static_cast<int>(in_last)};
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t row = begin + part_begin(rows, blocks, i), next = begin + part_begin(rows, blocks, i + 1);
    tile.data = p.x.data + row * p.x.step;
    tile.out = p.result.out + row * p.result.step + column;
    kTiles.of[next - row - 1][vectors - 1](tile);
    if (p.result.then.apply)
      p.result.then.apply(part_of(p.result.then, row, p.result.step, column), tile.out, p.result.step, next - row,
                          (vectors - 1) * kLanes + in_last);
  }
}

// Vectors of a tile, where `left` vectors of columns are left. A tile begins with a slice, or with its second half.
int tile_vectors(int64_t rows, int64_t left) {
  constexpr int kPair = 2, kTriple = 3;
  if (rows > most_rows(kTriple)) {
    if (left == kTriple && kVectorsOfSlice == 1) return kTriple;
    return static_cast<int>(smaller(left, kPair));
  }
  int most = most_vectors(static_cast<int>(rows));
  if (most > kVectorsOfSlice) most -= most % kVectorsOfSlice;
  const int64_t tiles = (left + most - 1) / most;
  const int64_t even = (left + tiles - 1) / tiles;
  return static_cast<int>(smaller(left, (even + kVectorsOfSlice - 1) / kVectorsOfSlice * kVectorsOfSlice));
}

void multiply_rows(const FloatProduct& p, int64_t begin, int64_t end) {
  const int64_t vectors = (p.columns + kLanes - 1) / kLanes;
  for (int64_t first = 0; first < vectors;) {
    const int of_tile = tile_vectors(end - begin, vectors - first);
    multiply_columns(p, begin, end, first, of_tile);
    first += of_tile;
  }
}

void multiply(const FloatProduct& p) {
  const int64_t row_bytes = (p.x.runs * p.x.length + p.columns) * static_cast<int64_t>(sizeof(float));
  const int64_t group = kMostRows * (kRowsBytes / (kMostRows * (row_bytes + 1)) + 1);
  const int64_t groups = (p.x.count + group - 1) / group;
  for (int64_t i = 0; i < groups; ++i)
    multiply_rows(p, part_begin(p.x.count, groups, i), part_begin(p.x.count, groups, i + 1));
}

}  // namespace
}  // namespace subgraft
