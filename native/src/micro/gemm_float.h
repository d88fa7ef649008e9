// Products of float32 matrices: what every instruction set's kernels compute, and how their operands lie in memory.
//
// Each sum runs in an order that depends on the product's kind and depth only: results are the same however rows and
// columns are divided among calls and threads.
#pragma once

#include <cstdint>

#include "micro/float_epilogue.h"

namespace subgraft {

// Columns that lie side by side in packed weights, on every instruction set.
inline constexpr int kFloatSlice = 16;

// The left side. Element k of row r, k being run * length + i, is data[r * step + run * run_step + i]: rows of a matrix
// have one run; a window of an NHWC image has one for each of its rows. Depth is runs * length.
struct FloatRows {
  const float* data;
  int64_t count, step;
  int64_t runs, length, run_step;
};

// The last step of a sum, which goes to out[row * step + column].
struct FloatResult {
  float* out;
  int64_t step;
  const float* bias;  // one for each column; null: none
  float min, max;     // NaN stays NaN
  FloatEpilogue then = {};
};

// Rows times packed columns: weight k of column c is weights[c / 16 * slice_step + k * 16 + c % 16], and the last slice
// is as long as the others. Sums run over k, one product after the other.
struct FloatProduct {
  FloatRows x;
  const float* weights;
  int64_t slice_step;
  int64_t columns;
  FloatResult result;
};

// Rows times columns that lie in memory one after the other, as rows of [columns, depth]: weight k of column c is
// weights[c * column_step + k]. Products go to as many sums as a vector has lanes, which are added in the end; runs
// begin with the first lane. For few rows, where packing would cost more than it saves, and for few columns.
struct FloatDots {
  FloatRows x;
  const float* weights;
  int64_t column_step;
  int64_t columns;
  FloatResult result;
};

struct FloatGemm {
  int lanes;  // of a vector
  void (*multiply)(const FloatProduct&);
  void (*multiply_dots)(const FloatDots&);
  // Pack the columns of a product, which are the rows of [columns, depth] or the columns of [depth, columns]. Lanes of
  // the last slice without a column become 0.
  void (*pack_rows)(const float* from, int64_t columns, int64_t depth, float* packed);
  void (*pack_columns)(const float* from, int64_t columns, int64_t depth, float* packed);
};

const FloatGemm* float_gemm_avx2();
const FloatGemm* float_gemm_avx512();
const FloatGemm* float_gemm_neon();

}  // namespace subgraft
