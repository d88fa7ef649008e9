#include "kernels/broadcast.h"

namespace subgraft {

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

template class Broadcast<2>;
template class Broadcast<3>;

void run_map2(const Invocation& v, const Broadcast<2>& plan, PairsOfRow pairs, const void* f, PairBytes bytes) {
  const std::byte *a = v.in<std::byte>(0), *b = v.in<std::byte>(1);
  std::byte* out = v.out<std::byte>(0);
  const Repeated repeated = plan.repeats(1) ? Repeated::second : plan.repeats(0) ? Repeated::first : Repeated::none;
  v.parallel(plan.count(), kElementGrain, [&](int64_t begin, int64_t end) {
    plan.walk(begin, end, [&](int64_t at, const std::array<int64_t, 2>& in, int64_t n) {
      pairs(f, a + in[0] * bytes.a, b + in[1] * bytes.b, out + at * bytes.out, n, repeated);
    });
  });
}

Compute map2_without_state(const Broadcast<2>& plan, PairsOfRow pairs, PairBytes bytes) {
  // `pairs` copies an object without members from there: any address will do.
  return [=](const Invocation& v) { run_map2(v, plan, pairs, &pairs, bytes); };
}

Broadcast<2> prepare_map2(Preparation& p) {
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

Broadcast<2> prepare_same_type(Preparation& p) {
  const Broadcast<2> plan = prepare_map2(p);
  p.require(p.output(0).dtype == p.input(0).dtype, "inputs are ", dtype_name(p.input(0).dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  return plan;
}

}  // namespace subgraft
