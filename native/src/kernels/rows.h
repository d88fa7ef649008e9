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
    compute_pieces<In, Out>(v, 4096, [&](const In* in, Out* out, int64_t rows) {
      for (; rows > 0; --rows, in += depth, out += depth) row(in, out);
    });
  }
  // The same for kernels on vectors: rows(input, output, how many).
  template <typename In, typename Out, typename Many>
  void compute_many(const Invocation& v, Many&& rows) const {
    compute_pieces<In, Out>(v, 2048, rows);
  }

 private:
  template <typename In, typename Out, typename Many>
  void compute_pieces(const Invocation& v, int64_t grain_elements, Many&& rows) const {
    if (depth == 0) return;
    v.parallel(count, std::max<int64_t>(1, grain_elements / depth), [&](int64_t begin, int64_t end) {
      rows(v.in<In>(0) + begin * depth, v.out<Out>(0) + begin * depth, end - begin);
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
