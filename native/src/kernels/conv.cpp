// CONV_2D: float32, quantized (int8, int16 and legacy uint8 activations), and float32 with 8-bit or 4-bit weights.
#include "kernels/conv_int16.h"
#include "kernels/conv_int8.h"
#include "kernels/conv_math.h"
#include "kernels/dynamic_range.h"
#include "kernels/families.h"
#include "kernels/float_gemm.h"
#include "kernels/hybrid_convolution.h"
#include "kernels/hybrid_layer.h"
#include "kernels/requantize.h"
#include "kernels/sparse_product.h"
#include "kernels/weights.h"

namespace subgraft {
namespace {

// The last step of per-channel hybrid convolution, which multiplies by one scale after the other.
struct DequantizeTwice {
  const float* scales;
  float input_scale;
  const float* bias;
  Range<float> range;
  float* out;

  void operator()(int64_t at, int64_t channel, uint32_t sum) const {
    const float real = static_cast<float>(static_cast<int32_t>(sum)) * scales[channel] * input_scale;
    out[at] = range.clamp(real + (bias ? bias[channel] : 0.0f));
  }
};

int64_t conv_grain(const ConvGeometry& g) { return grain_of(g.taps() * kDotRows); }

// The weights of a 1x1 convolution where the compressed form of them is to be used: its pixels are rows of activations.
template <typename W>
SparseProduct<W> sparse_weights(Preparation& p, const ConvGeometry& g) {
  if (g.y.filter != 1 || g.x.filter != 1 || g.groups != 1) return {};
  return {p, {g.pixels(), g.channels_out, g.depth}};
}

template <typename Sum, typename X, typename W, typename Product, typename Finish>
void convolve_sparse(const Invocation& v, const ConvGeometry& g, const SparseProduct<W>& weights, const X* in,
                     Product product, const Finish& finish) {
  const auto row_at = [&](int64_t pixel) {
    const int64_t row = pixel / g.x.out, batch = row / g.y.out;
    const int64_t y = g.y.origin(row - batch * g.y.out), x = g.x.origin(pixel - row * g.x.out);
    return in + batch * g.image() + (y * g.x.in + x) * g.channels_in;
  };
  weights.template multiply<Sum, X>(
      v, row_at, [&](int64_t) { return product; },
      [&](int64_t pixel, int64_t channel, Sum sum) { finish(pixel * g.channels_out + channel, channel, sum); });
}

Compute conv_float(Preparation& p, const ConvGeometry& g) {
  const bool biased = has_bias(p, 2, DType::float32, g.channels_out);
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  const SparseProduct<float> sparse = sparse_weights<float>(p, g);
  if (!sparse) {
    p.spell_out(1);
    if (Compute fast = fast_conv_float(p, g)) return fast;
  }
  return [=](const Invocation& v) {
    const AddBias finish{biased ? v.in<float>(2) : nullptr, range, v.out<float>(0)};
    if (sparse) return convolve_sparse<float>(v, g, sparse, v.in<float>(0), RealProduct(), finish);
    v.parallel(g.pixels() * conv_blocks(g), conv_grain(g), [&](int64_t begin, int64_t end) {
      convolve<float>(g, v.in<float>(0), v.in<float>(1), RealProduct(), begin, end, finish);
    });
  };
}

// Every batch is quantized by itself; then batches are convolved one after the other.
template <typename Finish>
Compute conv_hybrid(Preparation& p, ConvGeometry g, std::vector<float> scales, bool asymmetric) {
  const bool biased = has_bias(p, 2, DType::float32, g.channels_out);
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  const SignedWeights weights(p, 1);
  const int quantized = p.scratch(g.image());
  const int32_t batches = g.batches;
  g.batches = 1;
  const SparseProduct<int8_t> sparse = sparse_weights<int8_t>(p, g);
  return [=, scales = std::move(scales)](const Invocation& v) {
    for (int32_t batch = 0; batch < batches; ++batch) {
      const float* image = v.in<float>(0) + batch * g.image();
      int8_t* in = v.scratch<int8_t>(quantized);
      const DynamicRange q =
          asymmetric ? quantize_asymmetric(image, g.image(), in) : quantize_symmetric(image, g.image(), in);
      const Finish finish{scales.data(), q.scale, biased ? v.in<float>(2) : nullptr, range,
                          v.out<float>(0) + batch * g.outputs()};
      const CenteredProduct<int8_t> product{static_cast<int16_t>(q.zero_point)};
      if (sparse) {
        convolve_sparse<uint32_t>(v, g, sparse, in, product, finish);
        continue;
      }
      v.parallel(g.pixels() * conv_blocks(g), conv_grain(g), [&](int64_t begin, int64_t end) {
        convolve<uint32_t>(g, in, weights.data(v), product, begin, end, finish);
      });
    }
  };
}

// A convolution whose pixels are rows of activations: 1x1 without strides. Not where the compressed weights are used.
Compute pixels_on_vectors(Preparation& p, const ConvGeometry& g, std::span<const float> scales, bool differ) {
  const auto is_whole = [](const Window& w) {
    return w.filter == 1 && w.stride == 1 && w.before == 0 && w.in == w.out;
  };
  if (g.groups != 1 || !is_whole(g.y) || !is_whole(g.x) || p.sparse(1)) return {};
  const int64_t image = int64_t{g.y.in} * g.x.in;
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  return hybrid_product_on_vectors(p, {g.pixels(), g.channels_out, g.depth, image, differ}, scales, differ, range);
}

Compute prepare_hybrid(Preparation& p, const ConvGeometry& g) {
  const DType dtype = p.input(1).dtype;
  // Where all channels have one scale, and for uint8 (which holds signed weights all the same), inputs are symmetric.
  std::vector<float> scales = dtype == DType::uint8 ? std::vector<float>(g.channels_out, p.input(1).scale())
                                                    : channel_scales(p, 1, 0, g.channels_out);
  const bool differ = std::any_of(scales.begin(), scales.end(), [&](float scale) { return scale != scales[0]; });
  if (Compute fast = pixels_on_vectors(p, g, scales, differ)) return fast;
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  if (Compute fast = hybrid_convolution_on_vectors(p, g, scales, differ || g.groups > 1, range)) return fast;
  if (differ || g.groups > 1) return conv_hybrid<DequantizeTwice>(p, g, std::move(scales), true);
  return conv_hybrid<Dequantize>(p, g, std::move(scales), false);
}

// Rows of activations times packed weights, where the processor has kernels for that; empty otherwise.
template <typename T>
Compute conv_8_bits(Preparation& p, const ConvGeometry& g, const std::vector<Multiplier>& multipliers) {
  return fast_conv_int8(p, g,
                        {.fixed = multipliers,
                         .real = {},
                         .zero_point = p.output(0).zero_point(),
                         .range = output_range<T>(p, p.options().integer("fused_activation_function"))});
}

Compute conv_int8(Preparation& p, const ConvGeometry& g) {
  require_symmetric(p, 1);
  const auto multipliers = quantize_multipliers(effective_scales(p, 1, 0, g.channels_out), kMaxShift);
  const Requantization<int8_t, int32_t> requantization(p, multipliers);
  const SparseProduct<int8_t> sparse = sparse_weights<int8_t>(p, g);
  if (!sparse) {
    p.spell_out(1);
    if (Compute fast = conv_8_bits<int8_t>(p, g, multipliers)) return fast;
  }
  const CenteredProduct<int8_t> product{static_cast<int16_t>(p.input(0).zero_point())};
  const SignedWeights weights(p, 1);
  return [=](const Invocation& v) {
    const auto finish = requantization.now(v);
    if (sparse) return convolve_sparse<uint32_t>(v, g, sparse, v.in<int8_t>(0), product, finish);
    v.parallel(g.pixels() * conv_blocks(g), conv_grain(g), [&](int64_t begin, int64_t end) {
      convolve<uint32_t>(g, v.in<int8_t>(0), weights.data(v), product, begin, end, finish);
    });
  };
}

Compute conv_uint8(Preparation& p, const ConvGeometry& g) {
  if (p.input(1).is_per_channel()) p.unsupported("uint8 weights with a scale for each channel");
  const std::vector<Multiplier> multipliers(g.channels_out, quantize_multiplier(effective_scale(p, 1)));
  const Requantization<uint8_t, int32_t> requantization(p, multipliers);
  if (Compute fast = conv_8_bits<uint8_t>(p, g, multipliers)) return fast;
  const BothCenteredProduct<uint8_t, uint8_t> product{static_cast<int16_t>(p.input(0).zero_point()),
                                                      static_cast<int16_t>(p.input(1).zero_point())};
  return [=](const Invocation& v) {
    const auto finish = requantization.now(v);
    v.parallel(g.pixels() * conv_blocks(g), conv_grain(g), [&](int64_t begin, int64_t end) {
      convolve<uint32_t>(g, v.in<uint8_t>(0), v.in<uint8_t>(1), product, begin, end, finish);
    });
  };
}

// Bias is int32_t or int64_t; sums have its width.
template <typename Bias>
Compute conv_int16(Preparation& p, const ConvGeometry& g) {
  require_symmetric(p, 1);
  require_centered(p);
  const int max_shift = sizeof(Bias) == 8 ? kMaxWideShift : kMaxShift;
  const auto multipliers = quantize_multipliers(effective_scales(p, 1, 0, g.channels_out), max_shift);
  const Requantization<int16_t, Bias> requantization(p, multipliers);
  const SparseProduct<int8_t> sparse = sparse_weights<int8_t>(p, g);
  if (!sparse) {
    const auto range = output_range<int16_t>(p, p.options().integer("fused_activation_function"));
    if (Compute fast = conv_int16_on_vectors(p, g, sizeof(Bias) == 4, multipliers, range)) return fast;
  }
  const SignedWeights weights(p, 1);
  return [=](const Invocation& v) {
    const auto finish = requantization.now(v);
    if (sparse)
      return convolve_sparse<SumOf<Bias>>(v, g, sparse, v.in<int16_t>(0), WideProduct<int16_t, int8_t>(), finish);
    v.parallel(g.pixels() * conv_blocks(g), conv_grain(g), [&](int64_t begin, int64_t end) {
      convolve<SumOf<Bias>>(g, v.in<int16_t>(0), weights.data(v), WideProduct<int16_t, int8_t>(), begin, end, finish);
    });
  };
}

Compute prepare_conv(Preparation& p) {
  const ConvGeometry g = conv_geometry(p, false);
  const DType in = p.input(0).dtype, weights = p.input(1).dtype;
  p.require(p.output(0).dtype == in, "input is ", dtype_name(in), " but output is ", dtype_name(p.output(0).dtype));
  if (in == DType::float32) {
    if (weights == DType::float32) return conv_float(p, g);
    if (is_signed_weight(weights) || weights == DType::uint8) return prepare_hybrid(p, g);
  }
  if (in == DType::int8 && is_signed_weight(weights)) return conv_int8(p, g);
  if (in == DType::uint8 && weights == DType::uint8) return conv_uint8(p, g);
  if (in == DType::int16 && is_signed_weight(weights))
    return sums_in_32_bits(p, 2) ? conv_int16<int32_t>(p, g) : conv_int16<int64_t>(p, g);
  p.unsupported(dtype_name(in), " input with ", dtype_name(weights), " weights");
}

}  // namespace

void register_conv(Registry& registry) { registry.add("CONV_2D", prepare_conv, 1); }

}  // namespace subgraft
