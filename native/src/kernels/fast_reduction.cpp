#include "kernels/fast_reduction.h"

#include <algorithm>

namespace subgraft {
namespace {

constexpr int64_t kShortRow = 8;     // under which a vector is mostly empty
constexpr int64_t kGrain = 1 << 14;  // inputs that are worth a thread of their own

}  // namespace

bool ReductionLoop::fits(const ReductionPlan& plan) {
  if (plan.inputs_per_output < 2 || plan.reduced_dims != 1) return false;
  if (!plan.inner_kept) return plan.kept_dims <= 1 && plan.inputs_per_output >= kShortRow;
  return plan.kept_dims <= 2 && plan.kept[plan.kept_dims - 1].size >= kShortRow;
}

ReductionLoop::ReductionLoop(const ReductionPlan& plan, const ReduceFunctions& functions, int bytes)
    : bytes_(bytes), along_rows_(!plan.inner_kept) {
  if (along_rows_) {
    function_ = functions.rows;
    reduced_ = {plan.outputs, plan.inputs_per_output, plan.kept_dims > 0 ? plan.kept[0].stride : 0};
    return;
  }
  function_ = functions.columns;
  reduced_ = {plan.kept[plan.kept_dims - 1].size, plan.inputs_per_output, plan.reduced[0].stride};
  if (plan.kept_dims == 2) {
    calls_ = plan.kept[0].size;
    call_step_ = plan.kept[0].stride;
  }
}

void ReductionLoop::operator()(const Invocation& v, const void* parameters) const {
  const std::byte* in = v.in<std::byte>(0);
  std::byte* out = v.out<std::byte>(0);
  if (calls_ > 1) {
    const int64_t inputs = std::max<int64_t>(1, reduced_.count * reduced_.n);
    v.parallel(calls_, std::max<int64_t>(1, kGrain / inputs), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        function_(parameters, in + i * call_step_ * bytes_, out + i * reduced_.count * bytes_, reduced_);
    });
    return;
  }
  const int64_t step = along_rows_ ? reduced_.step : 1;
  v.parallel(reduced_.count, std::max<int64_t>(1, kGrain / reduced_.n), [&](int64_t begin, int64_t end) {
    function_(parameters, in + begin * step * bytes_, out + begin * bytes_, {end - begin, reduced_.n, reduced_.step});
  });
}

}  // namespace subgraft
