// CONV_2D of float32 with the fast micro-kernels.
#include "core/fixed_point.h"
#include "kernels/float_gemm.h"
#include "kernels/weights.h"

namespace subgraft {
namespace {

// Output positions are neighbours in the input too: every one is a row of a matrix.
bool is_product(const ConvGeometry& g) {
  const auto whole = [](const Window& w) { return w.filter == 1 && w.stride == 1; };
  return whole(g.y) && whole(g.x) && g.groups == 1;
}

}  // namespace

Compute fast_conv_float(Preparation& p, const ConvGeometry& g) {
  const FloatGemm* gemm = float_gemm();
  if (!gemm || !is_product(g) || !p.input(1).is_constant()) return {};
  const bool biased = p.has_input(2);
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  const auto packed = packed_float_weights(p, 1, 1, g.channels_out, g.depth);
  return [=](const Invocation& v) {
    const FloatProduct all = {
        {v.in<float>(0), g.pixels(), g.channels_in, 1, g.depth, 0},
        reinterpret_cast<const float*>(packed->data()),
        kFloatSlice * int64_t{g.depth},
        g.channels_out,
        {v.out<float>(0), g.channels_out, biased ? v.in<float>(2) : nullptr, range.min, range.max}};
    parallel_product(v, g.pixels(), g.channels_out, g.depth,
                     [&](auto... part) { gemm->multiply(part_of(all, part...)); });
  };
}

}  // namespace subgraft
