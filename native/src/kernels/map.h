// Kernels that compute each output element from one input element.
#pragma once

#include <array>

#include "micro/elementwise.h"
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

// The same for functions on vectors that compute much or little: some 64 KB of memory, or 1 to 2 us.
inline constexpr int64_t kFunctionGrain = 1 << 13, kSimpleFunctionGrain = 1 << 14;

// The same by a function of micro/elementwise.h.
template <typename In, typename Out, typename Parameters>
Compute fast_map(int64_t count, int64_t grain, MapFunction function, const Parameters& parameters) {
  if (count < 2 * grain) return [=](const Invocation& v) { function(&parameters, v.in<In>(0), v.out<Out>(0), count); };
  return [=](const Invocation& v) {
    v.parallel(count, grain, [&](int64_t begin, int64_t end) {
      function(&parameters, v.in<In>(0) + begin, v.out<Out>(0) + begin, end - begin);
    });
  };
}

struct NoParameters {};

// An empty Compute where there are generic kernels only.
template <typename Parameters = NoParameters>
Compute fast_float_map(int64_t count, MapFunction Elementwise::* function, const Parameters& parameters = {},
                       int64_t grain = kFunctionGrain) {
  const Elementwise* table = elementwise();
  return table ? fast_map<float, float>(count, grain, table->*function, parameters) : Compute();
}

// output[i] = table[input[i]], where bytes with a sign count as those without.
template <typename In, typename Out>
Compute map_table(int64_t count, const std::array<Out, 256>& table) {
  static_assert(sizeof(In) == 1);
  if constexpr (sizeof(Out) == 1) {
    if (const Elementwise* fast = elementwise())
      return fast_map<In, Out>(count, kSimpleFunctionGrain, fast->look_up, table);
  }
  return map<In, Out>(count, [table](In x) { return table[static_cast<uint8_t>(x)]; });
}

// map() with f looked up where In has one byte only.
template <typename In, typename Out, typename F>
Compute map_quantized(int64_t count, F f) {
  if constexpr (sizeof(In) == 1) {
    std::array<Out, 256> table;
    for (int i = 0; i < 256; ++i) table[i] = f(static_cast<In>(i));
    return map_table<In, Out>(count, table);
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
