// Tensors of different shapes walked in step: a dimension of 1 is repeated, missing leading dimensions count as 1.
#pragma once

#include <algorithm>
#include <array>
#include <type_traits>

#include "kernels/map.h"
#include "runtime/kernel.h"

namespace subgraft {

// How N inputs are read while the output is written from front to back. Neighbouring dimensions that the same inputs
// repeat are merged, so the innermost loop is as long as it can be.
template <int N>
class Broadcast {
 public:
  // Throws ModelError when the shapes do not fit.
  explicit Broadcast(const std::array<Shape, N>& inputs);

  const Shape& shape() const { return shape_; }
  int64_t count() const { return shape_.elements(); }
  // Whether input i has one element for the whole innermost loop.
  bool repeats(int i) const { return inner_stride_[i] == 0; }

  // The merged dimensions: `rank` of them around the innermost loop, from the outermost one, and how many elements of
  // input i one step of each skips.
  int64_t inner() const { return inner_; }
  int rank() const { return rank_; }
  int64_t dim(int d) const { return dims_[d]; }
  int64_t stride(int i, int d) const { return strides_[i][d]; }

  // Calls work(out, in, n) for output elements begin .. end-1 in runs of n: output elements out .. out+n-1 come from
  // the elements of input i from in[i] on, or all from that one where it repeats.
  template <typename Work>
  void walk(int64_t begin, int64_t end, Work&& work) const {
    std::array<int64_t, N> in{};
    std::array<int64_t, Shape::kMaxRank> index{};
    int64_t column = begin % inner_;
    int64_t row = begin / inner_;
    for (int d = rank_ - 1; d >= 0; --d) {
      index[d] = row % dims_[d];
      row /= dims_[d];
      for (int i = 0; i < N; ++i) in[i] += index[d] * strides_[i][d];
    }
    for (int i = 0; i < N; ++i) in[i] += column * inner_stride_[i];
    while (begin < end) {
      const int64_t n = std::min(inner_ - column, end - begin);
      work(begin, in, n);
      begin += n;
      for (int i = 0; i < N; ++i) in[i] -= column * inner_stride_[i];
      column = 0;
      step(index, in);
    }
  }

 private:
  // To the next run.
  void step(std::array<int64_t, Shape::kMaxRank>& index, std::array<int64_t, N>& in) const {
    for (int d = rank_ - 1; d >= 0; --d) {
      for (int i = 0; i < N; ++i) in[i] += strides_[i][d];
      if (++index[d] < dims_[d]) return;
      for (int i = 0; i < N; ++i) in[i] -= strides_[i][d] * dims_[d];
      index[d] = 0;
    }
  }

  Shape shape_;
  int rank_ = 0;  // of what is around the innermost loop
  int64_t inner_ = 1;
  std::array<int64_t, N> inner_stride_{};  // 1, or 0 where the input repeats
  std::array<int64_t, Shape::kMaxRank> dims_{};
  std::array<std::array<int64_t, Shape::kMaxRank>, N> strides_{};
};

extern template class Broadcast<2>;
extern template class Broadcast<3>;

// How a row of pairs is read: element by element, or with one input's first element for all.
enum class Repeated { none, first, second };
using PairsOfRow = void (*)(const void* f, const void* a, const void* b, void* out, int64_t n, Repeated repeated);

// f of n pairs; see map_elements() for the copy of f.
template <typename A, typename B, typename Out, typename F>
void map_pairs(const void* f, const void* a, const void* b, void* out, int64_t n, Repeated repeated) {
  using Held = std::conditional_t<std::is_trivially_copyable_v<F> && sizeof(F) <= 64, const F, const F&>;
  Held one = *static_cast<const F*>(f);
  const A* x = static_cast<const A*>(a);
  const B* y = static_cast<const B*>(b);
  Out* z = static_cast<Out*>(out);
  if (repeated == Repeated::second) {
    const B once = *y;
    for (int64_t i = 0; i < n; ++i) z[i] = one(x[i], once);
  } else if (repeated == Repeated::first) {
    const A once = *x;
    for (int64_t i = 0; i < n; ++i) z[i] = one(once, y[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) z[i] = one(x[i], y[i]);
  }
}

struct PairBytes {
  int a, b, out;  // of one element
};

// Calls pairs(f, ...) for all rows of inputs 0 and 1, on all threads.
void run_map2(const Invocation& v, const Broadcast<2>& plan, PairsOfRow pairs, const void* f, PairBytes bytes);

// The kernel of a function that captured nothing: one closure for all of them.
Compute map2_without_state(const Broadcast<2>& plan, PairsOfRow pairs, PairBytes bytes);

// output[..] = f(input 0[..], input 1[..]).
template <typename A, typename B, typename Out, typename F>
Compute map2(const Broadcast<2>& plan, F f) {
  const PairsOfRow pairs = map_pairs<A, B, Out, F>;
  constexpr PairBytes bytes{sizeof(A), sizeof(B), sizeof(Out)};
  if constexpr (std::is_empty_v<F>)
    return map2_without_state(plan, pairs, bytes);
  else
    return [plan, pairs, f](const Invocation& v) { run_map2(v, plan, pairs, &f, bytes); };
}

// Two inputs of one type, one output of their broadcast shape, which may take the memory of one that is as large.
Broadcast<2> prepare_map2(Preparation& p);
// The same for ops whose output has the type of the inputs.
Broadcast<2> prepare_same_type(Preparation& p);

}  // namespace subgraft
