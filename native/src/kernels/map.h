// Kernels that compute each output element from one input element.
#pragma once

#include <array>
#include <type_traits>

#include "micro/elementwise.h"
#include "runtime/kernel.h"

namespace subgraft {

// Elements that are worth a thread of their own.
inline constexpr int64_t kElementGrain = 16384;

// f of n elements. What it captured is copied where it is small: stores to `out` might change it otherwise, for all
// that the compiler knows.
template <typename In, typename Out, typename F>
void map_elements(const void* f, const void* in, void* out, int64_t n) {
  using Held = std::conditional_t<std::is_trivially_copyable_v<F> && sizeof(F) <= 64, const F, const F&>;
  Held one = *static_cast<const F*>(f);
  const In* x = static_cast<const In*>(in);
  Out* y = static_cast<Out*>(out);
  for (int64_t i = 0; i < n; ++i) y[i] = one(x[i]);
}

// Calls elements(f, ...) for all `count` elements of input 0, on all threads. The bytes are those of one element.
void run_map(const Invocation& v, MapFunction elements, const void* f, int64_t count, int in_bytes, int out_bytes);

// The kernel of a function that captured nothing: one closure for all of them.
Compute map_without_state(int64_t count, MapFunction elements, int in_bytes, int out_bytes);

// output[i] = f(input[i]).
template <typename In, typename Out, typename F>
Compute map(int64_t count, F f) {
  const MapFunction elements = map_elements<In, Out, F>;
  if constexpr (std::is_empty_v<F>)
    return map_without_state(count, elements, sizeof(In), sizeof(Out));
  else
    return [=](const Invocation& v) { run_map(v, elements, &f, count, sizeof(In), sizeof(Out)); };
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
int64_t prepare_map(Preparation& p);

}  // namespace subgraft
