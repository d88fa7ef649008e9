// Sparse weights in the order in which kernels read them: row by row, only what a file lists.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "model/sparse_constant.h"

namespace subgraft {

// Columns are 16-bit numbers: half the memory, and few rows are longer.
inline constexpr int64_t kLongestSparseRow = int64_t{1} << 16;

// Neighbours in a row that may have one column number, that of the first.
inline constexpr int kSparseBlock = 16;

struct SparsePlace {
  uint16_t column;
  int64_t value;  // its place among the values that the file lists
};

// The places of a constant whose first dimension counts rows, sorted by row and column, each column once.
struct SparsePlaces {
  std::vector<uint32_t> first;  // of each row; and the end
  std::vector<SparsePlace> places;
};

// depth: the elements of a row, at most kLongestSparseRow. block: only the first of so many neighbours is listed.
SparsePlaces sort_places(const SparseConstant& constant, int64_t depth, int block);

// Whether all values come in whole blocks of kSparseBlock.
bool has_blocks(const SparseConstant& constant, int64_t depth);

template <typename W>
struct SparseRows {
  int block = 1;
  std::vector<uint32_t> first;    // into columns, for each row; and the end
  std::vector<uint16_t> columns;  // of the first value of each block
  const W* values = nullptr;      // `block` for each column

  std::vector<W> own;                          // where the file has another order
  std::shared_ptr<const SparseConstant> file;  // else

  static SparseRows of(std::shared_ptr<const SparseConstant> constant, int64_t depth, int block);
};

template <typename W>
SparseRows<W> SparseRows<W>::of(std::shared_ptr<const SparseConstant> constant, int64_t depth, int block) {
  SparsePlaces sorted = sort_places(*constant, depth, block);
  SparseRows rows;
  rows.block = block;
  rows.first = std::move(sorted.first);
  const auto& places = sorted.places;
  rows.columns.reserve(places.size());
  for (const SparsePlace& place : places) rows.columns.push_back(place.column);
  bool in_order = reinterpret_cast<uintptr_t>(constant->values()) % alignof(W) == 0;
  for (size_t i = 0; i < places.size() && in_order; ++i)
    in_order = places[i].value == static_cast<int64_t>(i) * rows.block;
  if (in_order) {
    rows.values = reinterpret_cast<const W*>(constant->values());
    rows.file = std::move(constant);
    return rows;
  }
  const size_t block_bytes = static_cast<size_t>(rows.block) * sizeof(W);
  rows.own.resize(places.size() * static_cast<size_t>(rows.block));
  for (size_t i = 0; i < places.size(); ++i)
    std::memcpy(rows.own.data() + i * static_cast<size_t>(rows.block),
                constant->values() + places[i].value * static_cast<int64_t>(sizeof(W)), block_bytes);
  rows.values = rows.own.data();
  return rows;
}

}  // namespace subgraft
