// FULLY_CONNECTED of float32 with the fast micro-kernels.
#include "core/fixed_point.h"
#include "kernels/float_followers.h"
#include "kernels/float_gemm.h"
#include "kernels/weights.h"

namespace subgraft {
namespace {

// Up to so many rows, large weights are read where they lie in the file: packing them would cost memory and save
// nothing, for reading them is what takes the time. Small ones stay in the caches, and are quicker packed.
constexpr int64_t kFewRows = 1;
constexpr int64_t kLargeWeights = 1 << 17;
constexpr int64_t kFewUnits = 32;  // of which packed weights leave lanes unused

// What both kinds of products need of the op.
struct Operands {
  FullyConnectedSizes sizes;
  bool biased;
  FloatFollowers followers;

  FloatRows rows(const Invocation& v) const { return {v.in<float>(0), sizes.rows, sizes.depth, 1, sizes.depth, 0}; }
  FloatResult result(const Invocation& v) const {
    return {v.out<float>(0),     sizes.units,         biased ? v.in<float>(2) : nullptr,
            followers.range.min, followers.range.max, followers.at(v, 0, 0)};
  }
};

Compute with_dots(const FloatGemm* gemm, const Operands& o) {
  return [=](const Invocation& v) {
    const FloatDots all = {o.rows(v), v.in<float>(1), o.sizes.depth, o.sizes.units, o.result(v)};
    parallel_product(v, o.sizes.rows, o.sizes.units, o.sizes.depth,
                     [&](auto... part) { gemm->multiply_dots(part_of(all, part...)); });
  };
}

Compute with_packed(Preparation& p, const FloatGemm* gemm, const Operands& o) {
  const FloatWeights weights(p, gemm, 1, 1, o.sizes.units, o.sizes.depth);
  return [=](const Invocation& v) {
    const FloatProduct all = {o.rows(v), weights.ready(v), weights.slice_step(), o.sizes.units, o.result(v)};
    parallel_product(v, o.sizes.rows, o.sizes.units, o.sizes.depth,
                     [&](auto... part) { gemm->multiply(part_of(all, part...)); });
  };
}

}  // namespace

Compute fast_fully_connected_float(Preparation& p, const FullyConnectedSizes& s) {
  const FloatGemm* gemm = float_gemm();
  if (!gemm) return {};
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  const Operands operands = {s, p.has_input(2), take_over_followers(p, range, s.output)};
  const bool is_read_once = s.units < kFewUnits || s.units * s.depth > kLargeWeights || !p.input(1).is_constant();
  return s.rows <= kFewRows && is_read_once ? with_dots(gemm, operands) : with_packed(p, gemm, operands);
}

}  // namespace subgraft
