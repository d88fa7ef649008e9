// Sums, means and extremes along one dimension, one table of them for each instruction set.
#pragma once

#include <cstdint>

#include "micro/elementwise.h"

namespace subgraft {

// Along rows: output r is made of the n neighbours from in[r * step] on. Along columns: output c of count is made of
// in[c], in[c + step] and so on, n of them. Every output has one order of operations, whatever else is computed with
// it.
struct Reduced {
  int64_t count, n, step;
};

using ReduceFunction = void (*)(const void* parameters, const void* in, void* out, const Reduced& reduced);

struct ReduceFunctions {
  ReduceFunction rows, columns;
};

// A sum of quantized numbers less `offset`, rescaled.
struct QuantizedReduction {
  int32_t offset;
  Scaling scaling;
  int32_t zero_point;
  IntRange range;
};

struct Reductions {
  ReduceFunctions sum;               // float32; the parameter, a float, divides the sum
  ReduceFunctions maximum, minimum;  // float32; the parameter, a float, is the first to be compared
  ReduceFunctions maximum_int8, minimum_int8, maximum_uint8, minimum_uint8, maximum_int16, minimum_int16;
  ReduceFunctions maximum_int32, minimum_int32;    // the parameter, an int32, as above
  ReduceFunctions sum_int8, sum_uint8, sum_int16;  // QuantizedReduction
  ReduceFunctions sum_int32;                       // wraps around; no parameters
  ReduceFunction normalize;  // float32: rows divided by the root of the sum of their squares, but no less than 1e-6
};

// Null where only the generic kernels run.
const Reductions* reductions();

}  // namespace subgraft
