// FULLY_CONNECTED: float32, quantized (int8, int16 and legacy uint8 activations), and float32 with weights of 8, 4 or
// 2 bits.
#include "kernels/fully_connected.h"

#include <cstring>

#include "kernels/conv_int16.h"
#include "kernels/conv_int8.h"
#include "kernels/dot.h"
#include "kernels/dynamic_range.h"
#include "kernels/families.h"
#include "kernels/float_gemm.h"
#include "kernels/hybrid_layer.h"
#include "kernels/requantize.h"
#include "kernels/sparse_product.h"
#include "kernels/weights.h"

namespace subgraft {
namespace {

SparseSizes sparse_sizes(const FullyConnectedSizes& s) { return {s.rows, s.units, s.depth}; }

// Rows of the input against rows of the weights; `finish` is built for each run by finish_of(v).
template <typename Sum, typename X, typename W, typename Product, typename FinishOf>
Compute multiply_sparse(const FullyConnectedSizes& s, const SparseProduct<W>& weights, Product product,
                        FinishOf finish_of) {
  return [=](const Invocation& v) {
    const auto finish = finish_of(v);
    weights.template multiply<Sum, X>(
        v, [x = v.in<X>(0), depth = s.depth](int64_t row) { return x + row * depth; }, [&](int64_t) { return product; },
        [&](int64_t row, int64_t unit, Sum sum) { finish(row * s.units + unit, unit, sum); });
  };
}

template <typename Sum, typename X, typename Weights, typename Product, typename FinishOf>
Compute multiply_all(const FullyConnectedSizes& s, Weights weights, Product product, FinishOf finish_of) {
  return [=](const Invocation& v) {
    const auto finish = finish_of(v);
    parallel_tiles(v, s.rows, s.units, s.depth, [&](const Tile& tile) {
      multiply<Sum>(
          v.in<X>(0), weights(v), s.depth, tile, [&](int64_t) { return product; },
          [&](int64_t row, int64_t unit, Sum sum) { finish(row * s.units + unit, unit, sum); });
    });
  };
}

Compute fc_float(Preparation& p, const FullyConnectedSizes& s) {
  const bool biased = has_bias(p, 2, DType::float32, s.units);
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  const auto finish_of = [=](const Invocation& v) {
    return AddBias{biased ? v.in<float>(2) : nullptr, range, v.out<float>(0)};
  };
  if (const SparseProduct<float> sparse(p, sparse_sizes(s)); sparse)
    return multiply_sparse<float, float>(s, sparse, RealProduct(), finish_of);
  p.spell_out(1);
  if (Compute fast = fast_fully_connected_float(p, s)) return fast;
  const auto weights = [](const Invocation& v) { return v.in<float>(1); };
  return multiply_all<float, float>(s, weights, RealProduct(), finish_of);
}

// Every row of the input is quantized by itself.
Compute fc_hybrid(Preparation& p, const FullyConnectedSizes& s) {
  const bool biased = has_bias(p, 2, DType::float32, s.units);
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  const bool asymmetric = p.options().boolean("asymmetric_quantize_inputs");
  const std::vector<float> scales = channel_scales(p, 1, 0, s.units);
  const SparseProduct<int8_t> sparse(p, sparse_sizes(s));
  if (!sparse)
    if (Compute fast = hybrid_product_on_vectors(p, {s.rows, s.units, s.depth}, scales, asymmetric, range)) return fast;
  const SignedWeights weights(p, 1);
  const int quantized = p.scratch(s.rows * s.depth);
  const int ranges = p.scratch(s.rows * static_cast<int64_t>(sizeof(DynamicRange)));
  return [=](const Invocation& v) {
    int8_t* in = v.scratch<int8_t>(quantized);
    DynamicRange* q = v.scratch<DynamicRange>(ranges);
    v.parallel(s.rows, grain_of(s.depth), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const float* from = v.in<float>(0) + row * s.depth;
        int8_t* to = in + row * s.depth;
        q[row] = asymmetric ? quantize_asymmetric(from, s.depth, to) : quantize_symmetric(from, s.depth, to);
      }
    });
    const float* bias = biased ? v.in<float>(2) : nullptr;
    const auto product_of = [&](int64_t row) {
      return CenteredProduct<int8_t>{static_cast<int16_t>(q[row].zero_point)};
    };
    const auto finish = [&](int64_t row, int64_t unit, uint32_t sum) {
      const Dequantize dequantize{scales.data(), q[row].scale, bias, range, v.out<float>(0)};
      dequantize(row * s.units + unit, unit, sum);
    };
    if (sparse) {
      const auto row_at = [&](int64_t row) { return in + row * s.depth; };
      sparse.multiply<uint32_t, int8_t>(v, row_at, product_of, finish);
      return;
    }
    parallel_tiles(v, s.rows, s.units, s.depth, [&](const Tile& tile) {
      multiply<uint32_t>(in, weights.data(v), s.depth, tile, product_of, finish);
    });
  };
}

// Weights are symmetric where each channel has its own scale, whatever the file says of their zero points.
int32_t weight_zero(const Preparation& p) { return p.input(1).is_per_channel() ? 0 : p.input(1).zero_point(); }

template <typename Out, typename Bias>
auto requantize_real(Preparation& p, const FullyConnectedSizes& s) {
  const bool biased = has_bias(p, 2, DTypeOf<Bias>::value, s.units);
  const auto range = output_range<Out>(p, p.options().integer("fused_activation_function"));
  const int32_t out_zero = p.output(0).zero_point();
  return [=, scales = effective_scales(p, 1, 0, s.units)](const Invocation& v) {
    return RequantizeReal<Out, Bias>{scales.data(), biased ? v.in<Bias>(2) : nullptr, out_zero, range, v.out<Out>(0)};
  };
}

// Rows of activations times packed weights, where the processor has kernels for that; empty otherwise.
template <typename Out>
Compute fc_8_bits(Preparation& p, const FullyConnectedSizes& s, int32_t w_zero) {
  return fast_fully_connected_int8(p, s, w_zero,
                                   {.fixed = {},
                                    .real = effective_scales(p, 1, 0, s.units),
                                    .zero_point = p.output(0).zero_point(),
                                    .range = output_range<Out>(p, p.options().integer("fused_activation_function"))});
}

Compute fc_int8(Preparation& p, const FullyConnectedSizes& s) {
  const auto x_zero = static_cast<int16_t>(p.input(0).zero_point());
  const auto w_zero = static_cast<int16_t>(weight_zero(p));
  const auto finish = requantize_real<int8_t, int32_t>(p, s);
  if (w_zero == 0) {
    const CenteredProduct<int8_t> product{x_zero};
    if (const SparseProduct<int8_t> sparse(p, sparse_sizes(s)); sparse)
      return multiply_sparse<uint32_t, int8_t>(s, sparse, product, finish);
  }
  p.spell_out(1);
  if (Compute fast = fc_8_bits<int8_t>(p, s, w_zero)) return fast;
  const auto weights = [signed_weights = SignedWeights(p, 1)](const Invocation& v) { return signed_weights.data(v); };
  if (w_zero == 0) return multiply_all<uint32_t, int8_t>(s, weights, CenteredProduct<int8_t>{x_zero}, finish);
  return multiply_all<uint32_t, int8_t>(s, weights, BothCenteredProduct<int8_t, int8_t>{x_zero, w_zero}, finish);
}

// Out is uint8_t, or int16_t as older LSTMs were built.
template <typename Out>
Compute fc_uint8(Preparation& p, const FullyConnectedSizes& s) {
  if (p.input(1).is_per_channel()) p.unsupported("uint8 weights with a scale for each channel");
  if (Compute fast = fc_8_bits<Out>(p, s, p.input(1).zero_point())) return fast;
  const BothCenteredProduct<uint8_t, uint8_t> product{static_cast<int16_t>(p.input(0).zero_point()),
                                                      static_cast<int16_t>(p.input(1).zero_point())};
  const auto weights = [](const Invocation& v) { return v.in<uint8_t>(1); };
  return multiply_all<uint32_t, uint8_t>(s, weights, product, requantize_real<Out, int32_t>(p, s));
}

// Bias is int32_t or int64_t; sums have its width.
template <typename Bias>
Compute fc_int16(Preparation& p, const FullyConnectedSizes& s) {
  require_centered(p);
  const WideProduct<int16_t, int8_t> product{weight_zero(p)};
  const auto finish = requantize_real<int16_t, Bias>(p, s);
  if (product.w_zero == 0)
    if (const SparseProduct<int8_t> sparse(p, sparse_sizes(s)); sparse)
      return multiply_sparse<SumOf<Bias>, int16_t>(s, sparse, product, finish);
  if (product.w_zero == 0) {
    const auto range = output_range<int16_t>(p, p.options().integer("fused_activation_function"));
    if (Compute fast = fc_int16_on_vectors(p, s, sizeof(Bias) == 4, effective_scales(p, 1, 0, s.units), range))
      return fast;
  }
  const auto weights = [signed_weights = SignedWeights(p, 1)](const Invocation& v) { return signed_weights.data(v); };
  return multiply_all<SumOf<Bias>, int16_t>(s, weights, product, finish);
}

// 16-bit weights are summed in 64 bits and scaled in fixed point.
template <typename Bias>
Compute fc_int16_weights(Preparation& p, const FullyConnectedSizes& s) {
  require_centered(p);
  const bool biased = has_bias(p, 2, DTypeOf<Bias>::value, s.units);
  const auto range = output_range<int16_t>(p, p.options().integer("fused_activation_function"));
  const auto scales = p.input(1).is_per_channel() ? effective_scales(p, 1, 0, s.units)
                                                  : std::vector<double>(s.units, effective_scale(p, 1));
  const auto weights = [](const Invocation& v) { return v.in<int16_t>(1); };
  return multiply_all<uint64_t, int16_t>(
      s, weights, WideProduct<int16_t, int16_t>{weight_zero(p)},
      [=, multipliers = quantize_multipliers(scales, kMaxWideShift)](const Invocation& v) {
        return Requantize<int16_t, Bias>{multipliers.data(), biased ? v.in<Bias>(2) : nullptr, 0, range,
                                         v.out<int16_t>(0)};
      });
}

Compute fc_of_types(Preparation& p, const FullyConnectedSizes& s) {
  const DType in = p.input(0).dtype, weights = p.input(1).dtype, out = p.output(0).dtype;
  const Quantization* q = p.input(1).quantization;
  const bool plain = !q || std::holds_alternative<std::monostate>(q->details);
  if (in == DType::float32 && out == in) {
    if (weights == DType::float32) return fc_float(p, s);
    if (q && is_signed_weight(weights) && std::holds_alternative<BlockwiseQuantization>(q->details))
      return fully_connected_blockwise(p, s);
    // Weights of type uint8 hold signed numbers when the input is real.
    if (plain && (is_signed_weight(weights) || weights == DType::uint8)) return fc_hybrid(p, s);
  }
  if (!plain) p.unsupported("weights of this kind of quantization");
  if (weights == DType::int4 || weights == DType::int2) require_symmetric(p, 1);
  if (in == DType::int8 && is_signed_weight(weights) && out == in) return fc_int8(p, s);
  if (in == DType::uint8 && weights == in && out == in) return fc_uint8<uint8_t>(p, s);
  if (in == DType::uint8 && weights == in && out == DType::int16) return fc_uint8<int16_t>(p, s);
  if (in == DType::int16 && is_signed_weight(weights) && out == in)
    return sums_in_32_bits(p, 2) ? fc_int16<int32_t>(p, s) : fc_int16<int64_t>(p, s);
  if (in == DType::int16 && weights == in && out == in)
    return bias_type(p, 2, DType::int32) == DType::int64 ? fc_int16_weights<int64_t>(p, s)
                                                         : fc_int16_weights<int32_t>(p, s);
  p.unsupported(dtype_name(in), " input with ", dtype_name(weights), " weights and ", dtype_name(out), " output");
}

// Sets the output's shape.
FullyConnectedSizes fc_sizes(Preparation& p) {
  const Shape& in = p.input(0).shape;
  const Shape& weights = p.input(1).shape;
  p.require(weights.rank() == 2, "the weights have shape ", weights.text(), "; they must have rank 2");
  FullyConnectedSizes s;
  s.units = weights[0];
  s.depth = weights[1];
  const bool keep = p.options().boolean("keep_num_dims");
  p.require(in.rank() > 0 || !keep, "a scalar input has no dimensions to keep");
  if (s.depth == 0) {
    s.rows = in.product(0, in.rank() - 1);
  } else {
    p.require(in.elements() % s.depth == 0, "input of shape ", in.text(), " does not divide into rows of ", s.depth);
    s.rows = in.elements() / s.depth;
  }
  p.require(s.rows <= INT32_MAX, "the input has ", s.rows, " rows");
  if (keep) {
    p.require(in.back(0) == s.depth, "the input's last dimension is ", in.back(0), " but the weights' is ", s.depth);
    s.output = in.with(in.rank() - 1, weights[0]);
  } else {
    s.output = Shape{static_cast<int32_t>(s.rows), weights[0]};
  }
  p.set_output(0, s.output);
  return s;
}

Compute prepare_fully_connected(Preparation& p) {
  constexpr int64_t kDefault = 0, kShuffled = 1;  // FullyConnectedOptionsWeightsFormat
  const int64_t format = p.options().integer("weights_format");
  p.require(format == kDefault || format == kShuffled, "weights_format ", format, " does not exist");
  p.expect(2, 3, format == kShuffled ? 2 : 1);
  const FullyConnectedSizes s = fc_sizes(p);
  if (format == kShuffled) return fully_connected_shuffled(p, s);
  if (s.depth > 0) return fc_of_types(p, s);
  // The reference leaves zeros where there is nothing to sum.
  const int64_t bytes = s.rows * s.units * dtype_bits(p.output(0).dtype) / 8;
  return [bytes](const Invocation& v) { std::memset(v.out<char>(0), 0, bytes); };
}

}  // namespace

void register_fully_connected(Registry& registry) { registry.add("FULLY_CONNECTED", prepare_fully_connected, 1); }

}  // namespace subgraft
