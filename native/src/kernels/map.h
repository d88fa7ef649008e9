// Kernels that compute each output element from one input element.
#pragma once

#include <array>

#include "runtime/kernel.h"

namespace subgraft {

// Elements that are worth a thread of their own.
inline constexpr int64_t kElementGrain = 16384;

// output[i] = f(input[i]).
template <typename In, typename Out, typename F>
Compute map(int64_t count, F f) {
  return [count, f](const Invocation& v) {
    const In* in = v.in<In>(0);
    Out* out = v.out<Out>(0);
    v.parallel(count, kElementGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = f(in[i]);
    });
  };
}

// The same, with f looked up where In has one byte only.
template <typename In, typename Out, typename F>
Compute map_quantized(int64_t count, F f) {
  if constexpr (sizeof(In) == 1) {
    std::array<Out, 256> table;
    for (int i = 0; i < 256; ++i) table[i] = f(static_cast<In>(i));
    return map<In, Out>(count, [table](In x) { return table[static_cast<uint8_t>(x)]; });
  } else {
    return map<In, Out>(count, f);
  }
}

// One input and one output of the same type and shape, which may share memory. Returns the number of elements.
inline int64_t prepare_map(Preparation& p) {
  p.expect(1, 1);
  const Operand& input = p.input(0);
  p.require(input.dtype == p.output(0).dtype, "input is ", dtype_name(input.dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  p.set_output(0, input.shape);
  p.share(0, 0);
  return input.shape.elements();
}

}  // namespace subgraft
