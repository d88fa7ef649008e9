// What happens to the results of float32 products while they are in the cache: the elementwise ops that follow.
#pragma once

#include <cstdint>

namespace subgraft {

// In this order, and rounded like ops of their own: results + addend, bounded; where negative times slope; hard swish.
struct FloatEpilogue {
  void (*apply)(const FloatEpilogue&, float* out, int64_t step, int64_t rows, int64_t columns) = nullptr;  // or nothing
  const float* addend = nullptr;  // of the first result, the others as far apart as the results are; null: none
  float min = 0, max = 0;         // of the sum; NaN stays NaN
  const float* slopes = nullptr;  // one for each column; null: none
  bool is_hard_swish = false;
};

// That of the results from this row and column on.
static inline FloatEpilogue part_of(FloatEpilogue e, int64_t row, int64_t step, int64_t column) {
  if (e.addend) e.addend += row * step + column;
  if (e.slopes) e.slopes += column;
  return e;
}

// FloatEpilogue::apply of the best instruction set that is enabled; null where there is none.
using ApplyFloatEpilogue = decltype(FloatEpilogue::apply);
ApplyFloatEpilogue float_epilogue();

}  // namespace subgraft
