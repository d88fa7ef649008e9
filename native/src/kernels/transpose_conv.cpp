// TRANSPOSE_CONV: float32, quantized (int8, int16 and legacy uint8 activations), and float32 with 8-bit weights; and
// MediaPipe's Convolution2DTransposeBias.
#include <algorithm>

#include "kernels/conv_int8.h"
#include "kernels/dynamic_range.h"
#include "kernels/families.h"
#include "kernels/float_gemm.h"
#include "kernels/mediapipe.h"
#include "kernels/requantize.h"
#include "kernels/transpose_conv_int16.h"
#include "kernels/transpose_conv_math.h"
#include "kernels/weights.h"

namespace subgraft {
namespace {

using Places = TransposedPlaces;
constexpr Places kBuiltin{1, 2, 3};  // input 0 is the output's shape
constexpr Places kMediaPipe{1, 0, 2};

int64_t transposed_grain(const TransposedGeometry& g, int64_t rows) {
  const int64_t reached = (g.y.filter / g.y.stride + 1) * (g.x.filter / g.x.stride + 1);
  return grain_of(reached * g.channels_in * rows);
}

template <typename Sum, typename X, typename W, typename Product, typename Finish>
void run(const Invocation& v, const TransposedGeometry& g, const X* in, const W* w, Product product,
         const Finish& finish) {
  v.parallel(g.pixels() * g.blocks(kDotRows), transposed_grain(g, kDotRows), [&](int64_t begin, int64_t end) {
    convolve_transposed<kDotRows, Sum>(g, in, w, [&](int64_t) { return product; }, begin, end, finish);
  });
}

Compute transposed_float(Preparation& p, const TransposedGeometry& g, const Places& at, int64_t activation) {
  const bool biased = has_bias(p, at.bias, DType::float32, g.channels_out);
  const Range<float> range = activation_range(activation);
  if (Compute fast = fast_transpose_conv_float(p, g, at, activation)) return fast;
  return [=](const Invocation& v) {
    const AddBias finish{biased ? v.in<float>(at.bias) : nullptr, range, v.out<float>(0)};
    run<float>(v, g, v.in<float>(at.data), v.in<float>(at.weights), RealProduct(), finish);
  };
}

// Every product is scaled before it is added.
struct DequantizedProduct {
  int32_t x_zero;
  float weight_scale, input_scale;

  float operator()(int8_t x, int8_t w) const {
    return static_cast<float>((x - x_zero) * w) * weight_scale * input_scale;
  }
};

// Every batch is quantized by itself; then batches are convolved one after the other.
Compute transposed_hybrid(Preparation& p, TransposedGeometry g) {
  const bool biased = has_bias(p, kBuiltin.bias, DType::float32, g.channels_out);
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  const std::vector<float> scales = channel_scales(p, kBuiltin.weights, 0, g.channels_out);
  const int quantized = p.scratch(g.image());
  const int32_t batches = g.batches;
  g.batches = 1;
  return [=](const Invocation& v) {
    for (int32_t batch = 0; batch < batches; ++batch) {
      int8_t* in = v.scratch<int8_t>(quantized);
      const DynamicRange q = quantize_asymmetric(v.in<float>(kBuiltin.data) + batch * g.image(), g.image(), in);
      const AddBias finish{biased ? v.in<float>(kBuiltin.bias) : nullptr, range, v.out<float>(0) + batch * g.outputs()};
      v.parallel(g.pixels() * g.blocks(1), transposed_grain(g, 1), [&](int64_t begin, int64_t end) {
        convolve_transposed<1, float>(
            g, in, v.in<int8_t>(kBuiltin.weights),
            [&](int64_t channel) { return DequantizedProduct{q.zero_point, scales[channel], q.scale}; }, begin, end,
            finish);
      });
    }
  };
}

Compute transposed_int8(Preparation& p, const TransposedGeometry& g) {
  const bool biased = has_bias(p, kBuiltin.bias, DType::int32, g.channels_out);
  const auto multipliers =
      quantize_multipliers(effective_scales(p, kBuiltin.weights, 0, g.channels_out, kBuiltin.data), kMaxShift);
  const auto range = output_range<int8_t>(p, p.options().integer("fused_activation_function"));
  const CenteredProduct<int8_t> product{static_cast<int16_t>(p.input(kBuiltin.data).zero_point())};
  const int32_t out_zero = p.output(0).zero_point();
  if (Compute fast = fast_transpose_conv_int8(p, g, {multipliers, {}, out_zero, range})) return fast;
  return [=](const Invocation& v) {
    const Requantize<int8_t, int32_t> finish{multipliers.data(), biased ? v.in<int32_t>(kBuiltin.bias) : nullptr,
                                             out_zero, range, v.out<int8_t>(0)};
    run<uint32_t>(v, g, v.in<int8_t>(kBuiltin.data), v.in<int8_t>(kBuiltin.weights), product, finish);
  };
}

Compute transposed_uint8(Preparation& p, const TransposedGeometry& g) {
  if (p.input(kBuiltin.weights).is_per_channel()) p.unsupported("uint8 weights with a scale for each channel");
  const bool biased = has_bias(p, kBuiltin.bias, DType::int32, g.channels_out);
  const std::vector<Multiplier> multipliers(g.channels_out,
                                            quantize_multiplier(effective_scale(p, kBuiltin.weights, kBuiltin.data)));
  const auto range = output_range<uint8_t>(p, p.options().integer("fused_activation_function"));
  const BothCenteredProduct<uint8_t, uint8_t> product{static_cast<int16_t>(p.input(kBuiltin.data).zero_point()),
                                                      static_cast<int16_t>(p.input(kBuiltin.weights).zero_point())};
  const int32_t out_zero = p.output(0).zero_point();
  if (Compute fast = fast_transpose_conv_int8(p, g, {multipliers, {}, out_zero, range})) return fast;
  return [=](const Invocation& v) {
    const Requantize<uint8_t, int32_t> finish{multipliers.data(), biased ? v.in<int32_t>(kBuiltin.bias) : nullptr,
                                              out_zero, range, v.out<uint8_t>(0)};
    run<uint32_t>(v, g, v.in<uint8_t>(kBuiltin.data), v.in<uint8_t>(kBuiltin.weights), product, finish);
  };
}

// Bias is int32_t or int64_t; sums have its width.
template <typename Bias>
Compute transposed_int16(Preparation& p, const TransposedGeometry& g) {
  require_centered(p, kBuiltin.data);
  const bool biased = has_bias(p, kBuiltin.bias, DTypeOf<Bias>::value, g.channels_out);
  const auto multipliers = quantize_multipliers(effective_scales(p, kBuiltin.weights, 0, g.channels_out, kBuiltin.data),
                                                sizeof(Bias) == 8 ? kMaxWideShift : kMaxShift);
  const auto range = output_range<int16_t>(p, p.options().integer("fused_activation_function"));
  if (Compute fast = transpose_conv_int16_on_vectors(p, g, sizeof(Bias) == 4, multipliers, range)) return fast;
  return [=](const Invocation& v) {
    const Requantize<int16_t, Bias> finish{multipliers.data(), biased ? v.in<Bias>(kBuiltin.bias) : nullptr, 0, range,
                                           v.out<int16_t>(0)};
    run<SumOf<Bias>>(v, g, v.in<int16_t>(kBuiltin.data), v.in<int8_t>(kBuiltin.weights), WideProduct<int16_t, int8_t>(),
                     finish);
  };
}

// Sizes that input and weights decide.
TransposedGeometry sizes(const Preparation& p, const Places& at) {
  const Shape& in = p.input(at.data).shape;
  const Shape& weights = p.input(at.weights).shape;
  p.require(in.rank() == 4, "the input has shape ", in.text(), "; it must have rank 4");
  p.require(weights.rank() == 4, "the weights have shape ", weights.text(), "; they must have rank 4");
  p.require(in[3] == weights[3], "the input has ", in[3], " channels but the weights have ", weights[3]);
  p.require(in[3] > 0 && weights[0] > 0, "no channels");
  TransposedGeometry g;
  g.batches = in[0];
  g.channels_in = in[3];
  g.channels_out = weights[0];
  return g;
}

// Sets the output's shape, which input 0 lists.
TransposedGeometry builtin_geometry(Preparation& p) {
  TransposedGeometry g = sizes(p, kBuiltin);
  const auto listed = p.value<int32_t>(0);
  p.require(p.input(0).shape.rank() == 1 && listed.size() == 4, "the output's shape is a tensor of shape ",
            p.input(0).shape.text(), "; it must be [4]");
  const Shape out(listed), &in = p.input(kBuiltin.data).shape, &weights = p.input(kBuiltin.weights).shape;
  p.require(out[0] == g.batches, "the output has ", out[0], " batches but the input has ", g.batches);
  p.require(out[3] == g.channels_out, "the output has ", out[3], " channels but the weights have ", g.channels_out);
  const Options& o = p.options();
  g.y = make_window(p, o.integer("padding"), out[1], weights[1], o.integer("stride_h"), 1);
  g.x = make_window(p, o.integer("padding"), out[2], weights[2], o.integer("stride_w"), 1);
  p.require(g.y.out == in[1] && g.x.out == in[2], "an output of shape ", out.text(), " belongs to an input of ",
            g.y.out, " x ", g.x.out, ", not ", in[1], " x ", in[2]);
  p.set_output(0, out);
  return g;
}

Compute prepare_transpose_conv(Preparation& p) {
  p.expect(3, 4, 1);
  const TransposedGeometry g = builtin_geometry(p);
  const DType in = p.input(kBuiltin.data).dtype, weights = p.input(kBuiltin.weights).dtype;
  p.require(p.output(0).dtype == in, "input is ", dtype_name(in), " but output is ", dtype_name(p.output(0).dtype));
  if (in == DType::float32 && weights == in)
    return transposed_float(p, g, kBuiltin, p.options().integer("fused_activation_function"));
  if (in == DType::float32 && weights == DType::int8) return transposed_hybrid(p, g);
  if (in == DType::int8 && weights == in) return transposed_int8(p, g);
  if (in == DType::uint8 && weights == in) return transposed_uint8(p, g);
  if (in == DType::int16 && weights == DType::int8)
    return sums_in_32_bits(p, kBuiltin.bias) ? transposed_int16<int32_t>(p, g) : transposed_int16<int64_t>(p, g);
  p.unsupported(dtype_name(in), " input with ", dtype_name(weights), " weights");
}

// The first fields of TfLiteTransposeConvParams.
struct MediaPipeOptions {
  int32_t padding, stride_width, stride_height;
};

// The window along one axis of MediaPipe's op, which knows no output shape: the smallest output that the input can
// come from. Throws ModelError for sizes and strides that are not positive.
Window widest_window(const Preparation& p, int32_t padding, int64_t in, int64_t filter, int64_t stride) {
  p.require(stride > 0, "stride is ", stride);
  p.require(in > 0 && filter > 0, "input and filter have sizes ", in, " and ", filter);
  const int64_t cut = padding == mediapipe::kSame ? std::max<int64_t>(0, filter - (in - 1) % stride - 1) : 0;
  const int64_t out = stride * (in - 1) + filter - cut;
  p.require(out <= INT32_MAX, "the output has size ", out);
  Window window;
  window.in = static_cast<int32_t>(out);
  window.out = static_cast<int32_t>(in);
  window.filter = static_cast<int32_t>(filter);
  window.stride = stride;
  window.before = cut / 2;
  return window;
}

Compute prepare_mediapipe(Preparation& p) {
  p.expect(3, 1);
  mediapipe::require_floats(p);
  const auto options = mediapipe::read_options<MediaPipeOptions>(p, sizeof(MediaPipeOptions));
  TransposedGeometry g = sizes(p, kMediaPipe);
  const Shape &in = p.input(kMediaPipe.data).shape, &weights = p.input(kMediaPipe.weights).shape;
  g.y = widest_window(p, options.padding, in[1], weights[1], options.stride_height);
  g.x = widest_window(p, options.padding, in[2], weights[2], options.stride_width);
  p.set_output(0, Shape{g.batches, g.y.in, g.x.in, g.channels_out});
  return transposed_float(p, g, kMediaPipe, static_cast<int64_t>(Activation::none));
}

}  // namespace

void register_transpose_conv(Registry& registry) {
  registry.add("TRANSPOSE_CONV", prepare_transpose_conv);
  registry.add("Convolution2DTransposeBias", prepare_mediapipe);
}

}  // namespace subgraft
