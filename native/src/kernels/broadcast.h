// Tensors of different shapes walked in step: a dimension of 1 is repeated, missing leading dimensions count as 1.
#pragma once

#include <algorithm>
#include <array>

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

template <int N>
Broadcast<N>::Broadcast(const std::array<Shape, N>& inputs) {
  int rank = 0;
  for (const Shape& input : inputs) rank = std::max(rank, input.rank());
  std::array<int32_t, Shape::kMaxRank> dims{};
  for (int d = 0; d < rank; ++d) {
    int32_t& dim = dims[rank - 1 - d] = 1;
    for (const Shape& input : inputs) {
      const int32_t other = input.back(d);
      if (other == 1 || other == dim) continue;
      if (dim != 1) {
        std::string shapes;
        for (const Shape& shape : inputs) shapes += (shapes.empty() ? "" : " and ") + shape.text();
        throw ModelError("shapes " + shapes + " cannot be broadcast");
      }
      dim = other;
    }
  }
  shape_ = Shape(std::span<const int32_t>(dims.data(), static_cast<size_t>(rank)));

  // Merged dimensions from the innermost one outwards; `varies` has a bit for each input that does not repeat.
  struct Merged {
    int64_t dim;
    unsigned varies;
  };
  std::array<Merged, Shape::kMaxRank> merged{};
  int count = 0;
  for (int d = 0; d < rank; ++d) {
    const int32_t dim = shape_.back(d);
    if (dim == 1) continue;
    unsigned varies = 0;
    for (int i = 0; i < N; ++i) varies |= (inputs[i].back(d) != 1 ? 1u : 0u) << i;
    if (count > 0 && merged[count - 1].varies == varies)
      merged[count - 1].dim *= dim;
    else
      merged[count++] = {dim, varies};
  }
  if (count == 0) merged[count++] = {1, (1u << N) - 1};

  std::array<int64_t, N> stride{};
  stride.fill(1);
  for (int m = 0; m < count; ++m) {
    for (int i = 0; i < N; ++i) {
      const bool varies = merged[m].varies >> i & 1;
      (m == 0 ? inner_stride_[i] : strides_[i][count - 1 - m]) = varies ? stride[i] : 0;
      if (varies) stride[i] *= merged[m].dim;
    }
    (m == 0 ? inner_ : dims_[count - 1 - m]) = merged[m].dim;
  }
  rank_ = count - 1;
}

// output[..] = f(input 0[..], input 1[..]).
template <typename A, typename B, typename Out, typename F>
Compute map2(const Broadcast<2>& plan, F f) {
  return [plan, f](const Invocation& v) {
    const A* a = v.in<A>(0);
    const B* b = v.in<B>(1);
    Out* out = v.out<Out>(0);
    v.parallel(plan.count(), kElementGrain, [&](int64_t begin, int64_t end) {
      plan.walk(begin, end, [&](int64_t at, const std::array<int64_t, 2>& in, int64_t n) {
        const A* x = a + in[0];
        const B* y = b + in[1];
        Out* z = out + at;
        if (plan.repeats(1)) {
          const B once = *y;
          for (int64_t i = 0; i < n; ++i) z[i] = f(x[i], once);
        } else if (plan.repeats(0)) {
          const A once = *x;
          for (int64_t i = 0; i < n; ++i) z[i] = f(once, y[i]);
        } else {
          for (int64_t i = 0; i < n; ++i) z[i] = f(x[i], y[i]);
        }
      });
    });
  };
}

// Two inputs of one type, one output of their broadcast shape, which may take the memory of one that is as large.
inline Broadcast<2> prepare_map2(Preparation& p) {
  p.expect(2, 1);
  const Operand &a = p.input(0), &b = p.input(1);
  p.require(a.dtype == b.dtype, "inputs are ", dtype_name(a.dtype), " and ", dtype_name(b.dtype));
  const Broadcast<2> plan({a.shape, b.shape});
  p.set_output(0, plan.shape());
  if (dtype_bits(a.dtype) == dtype_bits(p.output(0).dtype)) {
    if (a.shape.elements() == plan.count()) p.share(0, 0);
    if (b.shape.elements() == plan.count()) p.share(0, 1);
  }
  return plan;
}

// The same for ops whose output has the type of the inputs.
inline Broadcast<2> prepare_same_type(Preparation& p) {
  const Broadcast<2> plan = prepare_map2(p);
  p.require(p.output(0).dtype == p.input(0).dtype, "inputs are ", dtype_name(p.input(0).dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  return plan;
}

}  // namespace subgraft
