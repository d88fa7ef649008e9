// Packing for gemm_float.h, written once, with the vectors that gemm_float_body.h describes.
#pragma once

#include <cstdint>

#include "micro/gemm_float_body.h"

namespace subgraft {
namespace {

constexpr int kPart = 4;

// One slice whose columns begin at `from`, each `step` after the one before.
void pack_slice(const float* from, int64_t step, int64_t columns, int64_t depth, float* to) {
  int64_t k = 0;
  if (columns == kFloatSlice) {
    for (; k + kPart <= depth; k += kPart) {
      for (int64_t first = 0; first < kFloatSlice; first += kLanes) {
        V v[kPart];
        for (int i = 0; i < kPart; ++i) v[i] = load_parts(from + (first + i) * step + k, kPart * step);
        transpose_parts(v);
        for (int i = 0; i < kPart; ++i) store(to + (k + i) * kFloatSlice + first, v[i]);
      }
    }
  }
  for (; k < depth; ++k)
    for (int64_t c = 0; c < kFloatSlice; ++c) to[k * kFloatSlice + c] = c < columns ? from[c * step + k] : 0.0f;
}

void pack_rows(const float* from, int64_t columns, int64_t depth, float* packed) {
  for (int64_t first = 0; first < columns; first += kFloatSlice)
    pack_slice(from + first * depth, depth, smaller(kFloatSlice, columns - first), depth, packed + first * depth);
}

void pack_columns(const float* from, int64_t columns, int64_t depth, float* packed) {
  for (int64_t first = 0; first < columns; first += kLanes) {
    const int64_t lanes = smaller(kLanes, columns - first);
    float* to = packed + first / kFloatSlice * kFloatSlice * depth + first % kFloatSlice;
    for (int64_t k = 0; k < depth; ++k) {
      const float* row = from + k * columns + first;
      store(to + k * kFloatSlice, lanes == kLanes ? load(row) : load_first(row, static_cast<int>(lanes)));
    }
  }
  // Vectors of the last slice that have no column at all.
  const int64_t packed_lanes = (columns + kLanes - 1) / kLanes * kLanes;
  for (int64_t first = packed_lanes; first % kFloatSlice != 0; first += kLanes) {
    float* to = packed + first / kFloatSlice * kFloatSlice * depth + first % kFloatSlice;
    for (int64_t k = 0; k < depth; ++k) store(to + k * kFloatSlice, zero());
  }
}

}  // namespace
}  // namespace subgraft
