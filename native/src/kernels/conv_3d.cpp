// CONV_3D and CONV_3D_TRANSPOSE of float32.
#include "kernels/conv_3d_math.h"
#include "kernels/families.h"
#include "kernels/requantize.h"
#include "kernels/weights.h"

namespace subgraft {
namespace {

// `in` and `weights` count inputs of the op.
void check_operands(const Preparation& p, int in, int weights) {
  for (const int i : {in, weights}) {
    const Operand& operand = p.input(i);
    p.require(operand.shape.rank() == 5, "'", operand.name, "' has shape ", operand.shape.text(),
              "; it must have rank 5");
    if (operand.dtype != DType::float32) p.unsupported("'", operand.name, "' is ", dtype_name(operand.dtype));
    for (int d = i == in ? 1 : 0; d < 5; ++d)
      p.require(operand.shape[d] > 0, "'", operand.name, "' has shape ", operand.shape.text());
  }
  if (p.output(0).dtype != DType::float32) p.unsupported("output that is ", dtype_name(p.output(0).dtype));
}

// Windows over sizes 1, 2 and 3 of `windowed`.
std::array<Window, 3> windows(const Preparation& p, const Shape& windowed, const Shape& weights) {
  constexpr const char* kStrides[] = {"stride_d", "stride_h", "stride_w"};
  constexpr const char* kDilations[] = {"dilation_d_factor", "dilation_h_factor", "dilation_w_factor"};
  const Options& o = p.options();
  std::array<Window, 3> made;
  for (int i = 0; i < 3; ++i)
    made[i] = make_window(p, o.integer("padding"), windowed[i + 1], weights[i], o.integer(kStrides[i]),
                          o.integer(kDilations[i], 1));
  return made;
}

Compute prepare_conv_3d(Preparation& p) {
  p.expect(2, 3, 1);
  check_operands(p, 0, 1);
  const Shape &in = p.input(0).shape, &weights = p.input(1).shape;
  p.require(in[4] == weights[3], "the input has ", in[4], " channels but the weights have ", weights[3]);
  const Conv3DGeometry g{in[0], in[4], weights[4], windows(p, in, weights)};
  p.set_output(0, Shape{g.batches, g.axes[0].out, g.axes[1].out, g.axes[2].out, g.channels_out});
  const bool biased = has_bias(p, 2, DType::float32, g.channels_out);
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  return [=](const Invocation& v) {
    const AddBias finish{biased ? v.in<float>(2) : nullptr, range, v.out<float>(0)};
    v.parallel(g.batches * g.points(g.outer()), grain_of(g.taps() * g.channels_in * g.channels_out),
               [&](int64_t begin, int64_t end) { convolve_3d(g, v.in<float>(0), v.in<float>(1), begin, end, finish); });
  };
}

// Input 0 lists the output's shape; then weights, data, bias.
Compute prepare_conv_3d_transpose(Preparation& p) {
  p.expect(3, 4, 1);
  check_operands(p, 2, 1);
  const auto listed = p.value<int32_t>(0);
  p.require(p.input(0).shape.rank() == 1 && listed.size() == 5, "the output's shape is a tensor of shape ",
            p.input(0).shape.text(), "; it must be [5]");
  const Shape out(listed), &in = p.input(2).shape, &weights = p.input(1).shape;
  p.require(in[4] == weights[4], "the input has ", in[4], " channels but the weights have ", weights[4]);
  p.require(out[0] == in[0], "the output has ", out[0], " batches but the input has ", in[0]);
  p.require(out[4] == weights[3], "the output has ", out[4], " channels but the weights have ", weights[3]);
  const Conv3DGeometry g{in[0], in[4], out[4], windows(p, out, weights)};
  const Shape fitting{in[0], g.axes[0].out, g.axes[1].out, g.axes[2].out, in[4]};
  p.require(in == fitting, "an output of shape ", out.text(), " belongs to an input of ", fitting.text(), ", not ",
            in.text());
  p.set_output(0, out);
  const bool biased = has_bias(p, 3, DType::float32, g.channels_out);
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  return [=](const Invocation& v) {
    const AddBias finish{biased ? v.in<float>(3) : nullptr, range, v.out<float>(0)};
    v.parallel(g.batches * g.points(g.inner()), grain_of(g.taps() * g.channels_in * g.channels_out),
               [&](int64_t begin, int64_t end) {
                 convolve_3d_transposed(g, v.in<float>(2), v.in<float>(1), begin, end, finish);
               });
  };
}

}  // namespace

void register_conv_3d(Registry& registry) {
  registry.add("CONV_3D", prepare_conv_3d);
  registry.add("CONV_3D_TRANSPOSE", prepare_conv_3d_transpose);
}

}  // namespace subgraft
