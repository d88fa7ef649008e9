// Reductions along one dimension by the functions of micro/reduce.h. An empty Compute: the reference kernels have to
// do.
#pragma once

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/fixed_point.h"
#include "kernels/reduction_math.h"
#include "micro/reduce.h"
#include "runtime/kernel.h"

namespace subgraft {

// The calls that reduce all of a tensor.
class ReductionLoop {
 public:
  // Whether one call, or one for each index of one dimension around it, does it.
  static bool fits(const ReductionPlan& plan);

  ReductionLoop(const ReductionPlan& plan, const ReduceFunctions& functions, int bytes);

  void operator()(const Invocation& v, const void* parameters) const;

 private:
  ReduceFunction function_;
  int64_t bytes_;
  bool along_rows_;
  int64_t calls_ = 1, call_step_ = 0;  // input elements
  Reduced reduced_{};                  // by each call
};

template <typename T, typename Parameters>
Compute fast_reduction(const ReductionPlan& plan, ReduceFunctions Reductions::* functions,
                       const Parameters& parameters) {
  const Reductions* table = reductions();
  if (!table || !ReductionLoop::fits(plan)) return {};
  const ReductionLoop loop(plan, table->*functions, sizeof(T));
  return [loop, parameters](const Invocation& v) { loop(v, &parameters); };
}

// The sum of as many numbers of type T must have room for its shift and for rounding.
template <typename T>
Compute fast_quantized_sum(const ReductionPlan& plan, int64_t offset, Multiplier multiplier, int32_t zero_point) {
  constexpr int64_t kLargest = sizeof(T) == 1 ? 255 : 32768;  // less the zero point
  constexpr int kMostLeft = 14;
  if (multiplier.value < 0 || multiplier.shift > kMostLeft || multiplier.shift < -30) return {};
  const int left = std::max(multiplier.shift, 0);
  if (plan.inputs_per_output > (int64_t{1} << (30 - left)) / kLargest) return {};
  const QuantizedReduction parameters{static_cast<int32_t>(offset),
                                      {multiplier.value, left, std::max(-multiplier.shift, 0)},
                                      zero_point,
                                      {std::numeric_limits<T>::min(), std::numeric_limits<T>::max()}};
  return fast_reduction<T>(plan,
                           std::is_same_v<T, int8_t>    ? &Reductions::sum_int8
                           : std::is_same_v<T, uint8_t> ? &Reductions::sum_uint8
                                                        : &Reductions::sum_int16,
                           parameters);
}

// Those of micro/reduce.h: the larger, the smaller.
template <typename T>
std::pair<ReduceFunctions Reductions::*, ReduceFunctions Reductions::*> fast_extremes() {
  if constexpr (std::is_same_v<T, float>) return {&Reductions::maximum, &Reductions::minimum};
  if constexpr (std::is_same_v<T, int32_t>) return {&Reductions::maximum_int32, &Reductions::minimum_int32};
  if constexpr (std::is_same_v<T, int8_t>) return {&Reductions::maximum_int8, &Reductions::minimum_int8};
  if constexpr (std::is_same_v<T, uint8_t>) return {&Reductions::maximum_uint8, &Reductions::minimum_uint8};
  return {&Reductions::maximum_int16, &Reductions::minimum_int16};
}

// Of all elements the first decides what NaN does, which only the reference does.
template <typename T>
Compute fast_extreme(const ReductionPlan& plan, bool everything, bool is_maximum) {
  if (everything && std::is_same_v<T, float>) return {};
  using Element = std::conditional_t<std::is_same_v<T, float>, float, int32_t>;
  const Element first = is_maximum ? std::numeric_limits<T>::lowest() : std::numeric_limits<T>::max();
  const auto [larger, smaller] = fast_extremes<T>();
  return fast_reduction<T>(plan, is_maximum ? larger : smaller, first);
}

}  // namespace subgraft
