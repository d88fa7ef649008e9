// FloatEpilogue::apply, written once over the vectors of vector_*.h.
#pragma once

#include <cstdint>

#include "micro/float_epilogue.h"

namespace subgraft {
namespace {

struct Kept {
  Floats operator()(Floats x, const float*, int64_t) const { return x; }
};
struct Sloped {
  Floats operator()(Floats x, const float* slope, int64_t n) const {
    const Floats factor = n == kLanes ? load(slope) : load(slope, n);
    return x >= 0.0f ? x : x * factor;
  }
};
struct HardSwished {
  Floats operator()(Floats x, const float*, int64_t) const {
    return x * min(floats(6), max(floats(0), x + 3.0f)) * (1.0f / 6);
  }
};

// One vector of results, or its first n lanes.
template <bool adds, typename Last>
inline void finish(const FloatEpilogue& e, float* out, int64_t at, int64_t column, int64_t n, Last last) {
  const bool whole = n == kLanes;
  Floats x = whole ? load(out + at) : load(out + at, n);
  if constexpr (adds) {
    const Floats sum = x + (whole ? load(e.addend + at) : load(e.addend + at, n));
    x = min(floats(e.max), max(floats(e.min), sum));
  }
  x = last(x, e.slopes + column, n);
  if (whole)
    store(out + at, x);
  else
    store(out + at, x, n);
}

template <bool adds, typename Last>
void finish_rows(const FloatEpilogue& e, float* out, int64_t step, int64_t rows, int64_t columns, Last last) {
  for (int64_t row = 0; row < rows; ++row) {
    int64_t column = 0;
    for (; column + kLanes <= columns; column += kLanes)
      finish<adds>(e, out, row * step + column, column, kLanes, last);
    if (column < columns) finish<adds>(e, out, row * step + column, column, columns - column, last);
  }
}

template <bool adds>
void finish_any(const FloatEpilogue& e, float* out, int64_t step, int64_t rows, int64_t columns) {
  if (e.slopes)
    finish_rows<adds>(e, out, step, rows, columns, Sloped());
  else if (e.is_hard_swish)
    finish_rows<adds>(e, out, step, rows, columns, HardSwished());
  else
    finish_rows<adds>(e, out, step, rows, columns, Kept());
}

void apply(const FloatEpilogue& e, float* out, int64_t step, int64_t rows, int64_t columns) {
  if (e.addend)
    finish_any<true>(e, out, step, rows, columns);
  else
    finish_any<false>(e, out, step, rows, columns);
}

}  // namespace
}  // namespace subgraft
