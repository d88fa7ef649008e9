// Reductions over any set of axes. Every output takes its inputs in the order of memory, as in TFLite's reference
// kernels, so that floats round the same way; threads share out the outputs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/shape.h"

namespace subgraft {

// The dimensions of a reduction, neighbours of one kind merged, split into those that stay and those that go.
struct ReductionPlan {
  struct Dim {
    int64_t size, stride;
  };
  Dim kept[Shape::kMaxRank] = {}, reduced[Shape::kMaxRank] = {};  // from the outermost
  int kept_dims = 0, reduced_dims = 0;
  bool inner_kept = false;  // the innermost dimension stays: neighbouring outputs read neighbouring inputs
  int64_t outputs = 1;
  int64_t inputs_per_output = 1;  // 0 where the input is empty

  void add(int64_t size, int64_t stride, bool reduce) {
    Dim* dims = reduce ? reduced : kept;
    int& count = reduce ? reduced_dims : kept_dims;
    if (size == 1) return;
    (reduce ? inputs_per_output : outputs) *= size;
    inner_kept = !reduce;
    if (count > 0 && dims[count - 1].stride == stride * size) {
      dims[count - 1] = {dims[count - 1].size * size, stride};
    } else {
      dims[count++] = {size, stride};
    }
  }

  static int64_t offset(const Dim* dims, int count, int64_t index) {
    int64_t at = 0;
    for (int d = count - 1; d > 0; --d) {
      at += index % dims[d].size * dims[d].stride;
      index /= dims[d].size;
    }
    return count > 0 ? at + index * dims[0].stride : 0;
  }
};

// Outputs that are accumulated together where the innermost dimension stays.
inline constexpr int64_t kReductionBlock = 128;

// out[i] = finish(step(... step(step(initial, a), b) ..., z)) for the outputs begin .. end-1.
template <typename Acc, typename In, typename Out, typename Step, typename Finish>
void reduce(const ReductionPlan& plan, const In* in, Out* out, Acc initial, Step step, Finish finish, int64_t begin,
            int64_t end) {
  if (plan.inner_kept) {
    const int64_t inner = plan.kept[plan.kept_dims - 1].size;
    for (int64_t i = begin; i < end;) {
      const int64_t count = std::min({kReductionBlock, inner - i % inner, end - i});
      const In* base = in + ReductionPlan::offset(plan.kept, plan.kept_dims, i);
      Acc acc[kReductionBlock];
      std::fill_n(acc, count, initial);
      for (int64_t r = 0; r < plan.inputs_per_output; ++r) {
        const In* row = base + ReductionPlan::offset(plan.reduced, plan.reduced_dims, r);
        for (int64_t k = 0; k < count; ++k) acc[k] = step(acc[k], row[k]);
      }
      for (int64_t k = 0; k < count; ++k) out[i + k] = finish(acc[k]);
      i += count;
    }
    return;
  }
  const int outer_dims = std::max(plan.reduced_dims - 1, 0);
  const int64_t inner = plan.reduced_dims > 0 ? plan.reduced[outer_dims].size : 1;
  const int64_t rows = plan.inputs_per_output / inner;
  for (int64_t i = begin; i < end; ++i) {
    const In* base = in + ReductionPlan::offset(plan.kept, plan.kept_dims, i);
    Acc acc = initial;
    for (int64_t r = 0; r < rows; ++r) {
      const In* row = base + ReductionPlan::offset(plan.reduced, outer_dims, r);
      for (int64_t k = 0; k < inner; ++k) acc = step(acc, row[k]);
    }
    out[i] = finish(acc);
  }
}

// The positions along an axis of the first element that no other beats. `outputs` begin .. end-1 of outer x inner;
// size > 0.
template <typename T, typename Index, typename Beats>
void find_best(const T* in, int64_t size, int64_t inner, Index* out, Beats beats, int64_t begin, int64_t end) {
  if (inner == 1) {
    for (int64_t i = begin; i < end; ++i) {
      const T* row = in + i * size;
      int64_t best = 0;
      for (int64_t s = 1; s < size; ++s)
        if (beats(row[s], row[best])) best = s;
      out[i] = static_cast<Index>(best);
    }
    return;
  }
  for (int64_t i = begin; i < end;) {
    const int64_t count = std::min({kReductionBlock, inner - i % inner, end - i});
    const T* base = in + i / inner * size * inner + i % inner;
    T best[kReductionBlock];
    std::copy_n(base, count, best);
    std::fill_n(out + i, count, Index{0});
    for (int64_t s = 1; s < size; ++s) {
      const T* row = base + s * inner;
      for (int64_t k = 0; k < count; ++k) {
        if (!beats(row[k], best[k])) continue;
        best[k] = row[k];
        out[i + k] = static_cast<Index>(s);
      }
    }
    i += count;
  }
}

}  // namespace subgraft
