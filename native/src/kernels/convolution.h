// What CONV_2D and DEPTHWISE_CONV_2D share: their operands, checked, and the weights as the kernels read them.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "core/sub_byte.h"
#include "kernels/dynamic_range.h"
#include "kernels/requantize.h"
#include "kernels/window.h"

namespace subgraft {

// Sizes of one 2-D convolution: NHWC activations, weights [channels_out, y, x, depth] or [1, y, x, channels_out].
struct ConvGeometry {
  int32_t batches = 0, channels_in = 0, channels_out = 0;
  int32_t depth = 0;   // input channels that one output channel reads
  int32_t groups = 1;  // CONV_2D only
  Window y, x;

  int64_t image() const { return int64_t{y.in} * x.in * channels_in; }       // input elements of one batch
  int64_t pixels() const { return int64_t{batches} * y.out * x.out; }        // output positions
  int64_t taps() const { return int64_t{y.filter} * x.filter * depth; }      // weights of one output channel
  int64_t outputs() const { return int64_t{y.out} * x.out * channels_out; }  // output elements of one batch
};

inline ConvGeometry conv_geometry(Preparation& p, bool depthwise) {
  p.expect(2, 3, 1);
  const Shape& in = p.input(0).shape;
  const Shape& weights = p.input(1).shape;
  p.require(in.rank() == 4, "the input has shape ", in.text(), "; it must have rank 4");
  p.require(weights.rank() == 4, "the weights have shape ", weights.text(), "; they must have rank 4");
  if (p.input(1).sparsity) p.unsupported("sparse weights");
  ConvGeometry g;
  g.batches = in[0];
  g.channels_in = in[3];
  g.channels_out = weights[depthwise ? 3 : 0];
  p.require(g.channels_in > 0 && g.channels_out > 0 && weights[3] > 0, "no channels");
  if (depthwise) {
    p.require(weights[0] == 1, "the weights have shape ", weights.text(), "; the first dimension must be 1");
    p.require(g.channels_out % g.channels_in == 0, g.channels_out, " output channels are no multiple of ",
              g.channels_in, " input channels");
    g.depth = 1;
  } else {
    g.depth = weights[3];
    p.require(g.channels_in % g.depth == 0, g.channels_in, " input channels are no multiple of the weights' ", g.depth);
    g.groups = g.channels_in / g.depth;
    p.require(g.channels_out % g.groups == 0, g.channels_out, " output channels do not divide into ", g.groups,
              " groups");
  }
  const Options& o = p.options();
  const int64_t padding = o.integer("padding");
  g.y = make_window(p, padding, in[1], weights[1], o.integer("stride_h"), o.integer("dilation_h_factor", 1));
  g.x = make_window(p, padding, in[2], weights[2], o.integer("stride_w"), o.integer("dilation_w_factor", 1));
  p.set_output(0, Shape{g.batches, g.y.out, g.x.out, g.channels_out});
  return g;
}

// Checks an optional input of `channels` values; false when it is absent.
inline bool has_bias(const Preparation& p, int i, DType dtype, int64_t channels) {
  if (!p.has_input(i)) return false;
  p.require(p.input(i).dtype == dtype, "the bias is ", dtype_name(p.input(i).dtype), "; it must be ",
            dtype_name(dtype));
  p.require(p.input(i).shape.elements() == channels, "the bias has ", p.input(i).shape.elements(), " values for ",
            channels, " channels");
  return true;
}

// Signed 8-bit weights, whatever they are stored as: int4 and int2 are unpacked once for all sessions of the model.
class SignedWeights {
 public:
  SignedWeights(Preparation& p, int i) : input_(i) {
    const DType dtype = p.input(i).dtype;
    if (dtype != DType::int4 && dtype != DType::int2) return;
    if (!p.input(i).is_constant()) p.unsupported(dtype_name(dtype), " weights that are not constant");
    unpacked_ = p.shared<std::vector<int8_t>>(i, "unpacked", [&] {
      return unpack_signed(p.input(i).constant, dtype_bits(dtype), p.input(i).shape.elements());
    });
  }
  const int8_t* data(const Invocation& v) const { return unpacked_ ? unpacked_->data() : v.in<int8_t>(input_); }

 private:
  int input_;
  std::shared_ptr<const std::vector<int8_t>> unpacked_;
};

inline bool is_signed_weight(DType dtype) {
  return dtype == DType::int8 || dtype == DType::int4 || dtype == DType::int2;
}

// Signed weights are symmetric: every zero point is 0.
inline void require_symmetric(const Preparation& p, int i) {
  const Quantization* q = p.input(i).quantization;
  if (!q) return;
  for (const int64_t zero : q->zero_point)
    if (zero != 0) p.unsupported("weights with the zero point ", zero);
}

// 16-bit activations have the zero point 0.
inline void require_centered(const Preparation& p) {
  p.require(p.input(0).zero_point() == 0 && p.output(0).zero_point() == 0, "16-bit activations need the zero point 0");
}

// Whether the sums of 16-bit activations are 32 bits wide: where the op says that its bias is.
inline bool sums_in_32_bits(const Preparation& p) {
  const int64_t type = p.options().integer("quantized_bias_type");
  if (type == static_cast<int64_t>(DType::int32)) return true;
  p.require(type == 0 || type == static_cast<int64_t>(DType::int64), "quantized_bias_type is ", type);
  return false;
}

}  // namespace subgraft
