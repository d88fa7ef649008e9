// Reductions along one dimension by the functions of micro/reduce.h. An empty Compute: the reference kernels have to
// do.
#pragma once

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

}  // namespace subgraft
