// Kernels that work on the last dimension, one row after the other.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "runtime/kernel.h"

namespace subgraft {

struct Rows {
  int64_t count = 0, depth = 0;

  // row(input, output) for every row, on all threads.
  template <typename In, typename Out, typename Row>
  void compute(const Invocation& v, Row&& row) const {
    constexpr int64_t kGrainElements = 4096;
    if (depth == 0) return;
    const In* in = v.in<In>(0);
    Out* out = v.out<Out>(0);
    v.parallel(count, std::max<int64_t>(1, kGrainElements / depth), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) row(in + i * depth, out + i * depth);
    });
  }
};

// One input and one output of the same shape. Input and output of a row may be the same memory.
inline Rows prepare_rows(Preparation& p) {
  p.expect(1, 1);
  const Shape& shape = p.input(0).shape;
  p.require(shape.rank() >= 1, "input is a scalar");
  p.set_output(0, shape);
  if (p.input(0).dtype == p.output(0).dtype) p.share(0, 0);
  return {shape.product(0, shape.rank() - 1), shape.back(0)};
}

// The output of integer kernels that do not rescale has parameters of their own choice.
inline void require_output(const Preparation& p, float scale, int32_t zero_point) {
  const Operand& output = p.output(0);
  if (std::abs(output.scale() - scale) > 0.001f * scale || output.zero_point() != zero_point)
    p.unsupported("output of type ", dtype_name(output.dtype), " with scale ", output.scale(), " and zero point ",
                  output.zero_point(), "; they must be ", scale, " and ", zero_point);
}

}  // namespace subgraft
