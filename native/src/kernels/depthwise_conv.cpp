// DEPTHWISE_CONV_2D: float32, quantized (int8, int16 and legacy uint8 activations), and float32 with 8-bit weights.
#include "kernels/depthwise_fast.h"
#include "kernels/depthwise_math.h"
#include "kernels/dynamic_range.h"
#include "kernels/families.h"
#include "kernels/requantize.h"
#include "kernels/weights.h"

namespace subgraft {
namespace {

int64_t pixel_grain(const ConvGeometry& g) { return grain_of(g.taps() * g.channels_out); }

Compute depthwise_float(Preparation& p, const ConvGeometry& g) {
  if (Compute fast = fast_depthwise_float(p, g)) return fast;
  const bool biased = has_bias(p, 2, DType::float32, g.channels_out);
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  return [=](const Invocation& v) {
    const AddBias finish{biased ? v.in<float>(2) : nullptr, range, v.out<float>(0)};
    v.parallel(g.pixels(), pixel_grain(g), [&](int64_t begin, int64_t end) {
      convolve_depthwise<float>(g, v.in<float>(0), v.in<float>(1), RealProduct(), begin, end, finish);
    });
  };
}

// Every batch is quantized by itself; then batches are convolved one after the other.
Compute depthwise_hybrid(Preparation& p, ConvGeometry g) {
  if (Compute fast = fast_depthwise_hybrid(p, g)) return fast;
  const bool biased = has_bias(p, 2, DType::float32, g.channels_out);
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  const std::vector<float> scales = channel_scales(p, 1, 3, g.channels_out);
  const SignedWeights weights(p, 1);
  const int quantized = p.scratch(g.image());
  const int32_t batches = g.batches;
  g.batches = 1;
  return [=](const Invocation& v) {
    for (int32_t batch = 0; batch < batches; ++batch) {
      int8_t* in = v.scratch<int8_t>(quantized);
      const DynamicRange q = quantize_asymmetric(v.in<float>(0) + batch * g.image(), g.image(), in);
      const Dequantize finish{scales.data(), q.scale, biased ? v.in<float>(2) : nullptr, range,
                              v.out<float>(0) + batch * g.outputs()};
      const CenteredProduct<int8_t> product{static_cast<int16_t>(q.zero_point)};
      v.parallel(g.pixels(), pixel_grain(g), [&](int64_t begin, int64_t end) {
        convolve_depthwise<uint32_t>(g, in, weights.data(v), product, begin, end, finish);
      });
    }
  };
}

Compute depthwise_int8(Preparation& p, const ConvGeometry& g) {
  if (Compute fast = fast_depthwise_int8(p, g)) return fast;
  const Requantization<int8_t, int32_t> requantization(
      p, quantize_multipliers(effective_scales(p, 1, 3, g.channels_out), kMaxShift));
  const CenteredProduct<int8_t> product{static_cast<int16_t>(p.input(0).zero_point())};
  const SignedWeights weights(p, 1);
  return [=](const Invocation& v) {
    const auto finish = requantization.now(v);
    v.parallel(g.pixels(), pixel_grain(g), [&](int64_t begin, int64_t end) {
      convolve_depthwise<uint32_t>(g, v.in<int8_t>(0), weights.data(v), product, begin, end, finish);
    });
  };
}

Compute depthwise_uint8(Preparation& p, const ConvGeometry& g) {
  if (p.input(1).is_per_channel()) p.unsupported("uint8 weights with a scale for each channel");
  if (Compute fast = fast_depthwise_uint8(p, g)) return fast;
  const Requantization<uint8_t, int32_t> requantization(
      p, std::vector<Multiplier>(g.channels_out, quantize_multiplier(effective_scale(p, 1))));
  const BothCenteredProduct<uint8_t, uint8_t> product{static_cast<int16_t>(p.input(0).zero_point()),
                                                      static_cast<int16_t>(p.input(1).zero_point())};
  return [=](const Invocation& v) {
    const auto finish = requantization.now(v);
    v.parallel(g.pixels(), pixel_grain(g), [&](int64_t begin, int64_t end) {
      convolve_depthwise<uint32_t>(g, v.in<uint8_t>(0), v.in<uint8_t>(1), product, begin, end, finish);
    });
  };
}

Compute depthwise_int16(Preparation& p, const ConvGeometry& g) {
  require_centered(p);
  if (Compute fast = fast_depthwise_int16(p, g)) return fast;
  const Requantization<int16_t, int64_t> requantization(
      p, quantize_multipliers(effective_scales(p, 1, 3, g.channels_out), kMaxWideShift));
  const SignedWeights weights(p, 1);
  return [=](const Invocation& v) {
    const auto finish = requantization.now(v);
    v.parallel(g.pixels(), pixel_grain(g), [&](int64_t begin, int64_t end) {
      convolve_depthwise<uint64_t>(g, v.in<int16_t>(0), weights.data(v), WideProduct<int16_t, int8_t>(), begin, end,
                                   finish);
    });
  };
}

Compute prepare_depthwise_conv(Preparation& p) {
  ConvGeometry g = conv_geometry(p, true);
  absorb_border(p, g.y, g.x);
  const DType in = p.input(0).dtype, weights = p.input(1).dtype;
  p.require(p.output(0).dtype == in, "input is ", dtype_name(in), " but output is ", dtype_name(p.output(0).dtype));
  if (in == DType::float32) {
    if (weights == DType::float32) return depthwise_float(p, g);
    if (is_signed_weight(weights)) return depthwise_hybrid(p, g);
  }
  if (in == DType::int8 && is_signed_weight(weights)) return depthwise_int8(p, g);
  if (in == DType::uint8 && weights == DType::uint8) return depthwise_uint8(p, g);
  if (in == DType::int16 && is_signed_weight(weights)) return depthwise_int16(p, g);
  p.unsupported(dtype_name(in), " input with ", dtype_name(weights), " weights");
}

}  // namespace

void register_depthwise_conv(Registry& registry) { registry.add("DEPTHWISE_CONV_2D", prepare_depthwise_conv); }

}  // namespace subgraft
