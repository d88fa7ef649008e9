#include "kernels/depthwise_fast.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <string>

#include "core/instruction_set.h"
#include "kernels/depthwise_layout.h"
#include "kernels/dot.h"
#include "kernels/requantize.h"
#include "micro/depthwise_float.h"

namespace subgraft {
namespace {

// For grain_of(), which counts multiplications one by one: what an output of 8 bits costs, and how many products of
// floats take the time of one.
constexpr int64_t kOutputCost = 4, kVectorGain = 4;

// A layer with everything it needs that is constant.
struct QuantizedLayer {
  const QuantizedDepthwiseKernel* kernel;
  QuantizedDepthwise layer;
  DepthwiseTable table;
  std::vector<std::byte> zeros;
  uint32_t zero = 0;
};

bool has_constants(const Preparation& p) {
  return p.input(1).is_constant() && (!p.has_input(2) || p.input(2).is_constant());
}

// Tells layers with the same weights apart.
std::string kind_of(const Preparation& p, const ConvGeometry& g) {
  const Operand &in = p.input(0), &out = p.output(0);
  const auto bias = p.has_input(2) ? reinterpret_cast<uintptr_t>(p.input(2).constant) : 0;
  std::string kind = concat("depthwise ", name_of(best_instruction_set()), " ", bias, in.shape.text(), " ",
                            p.options().integer("fused_activation_function"));
  for (const Window& w : {g.y, g.x}) kind += concat(" ", w.out, " ", w.stride, " ", w.dilation, " ", w.before);
  for (const Operand& data : {in, out})
    kind += concat(" ", std::bit_cast<uint32_t>(data.scale()), " ", data.zero_point());
  return kind;
}

template <typename T>
Compute run_quantized(Preparation& p, const ConvGeometry& g,
                      DepthwiseSums (*sums_of)(Preparation& p, const ConvGeometry& g)) {
  const auto shared = p.shared<std::optional<QuantizedLayer>>(1, kind_of(p, g), [&]() -> std::optional<QuantizedLayer> {
    const DepthwiseSums sums = sums_of(p, g);
    const QuantizedDepthwiseKernel* kernel = quantized_depthwise(*std::ranges::max_element(sums.weights));
    if (!kernel) return std::nullopt;
    const int64_t activation = p.options().integer("fused_activation_function");
    const auto layer =
        plan_depthwise(g, *kernel, sums, std::is_signed_v<T>, p.output(0).zero_point(), output_range<T>(p, activation));
    if (!layer) return std::nullopt;
    const auto zero = static_cast<std::byte>(sums.input_zero_point);
    const uint32_t zeros = (static_cast<uint32_t>(zero) ^ (std::is_signed_v<T> ? 0x80 : 0)) * 0x01010101u;
    return QuantizedLayer{kernel, *layer, depthwise_table(*layer, *kernel, sums),
                          std::vector<std::byte>(static_cast<size_t>(int64_t{g.x.in} * g.channels_in), zero), zeros};
  });
  if (!*shared) return {};
  const int64_t bytes = (*shared)->layer.buffer_bytes;
  const int buffers = p.scratch(bytes * p.threads());
  return [=](const Invocation& v) {
    const QuantizedLayer& made = **shared;
    const QuantizedDepthwise& layer = made.layer;
    const QuantizedDepthwiseCall call{&layer,    v.in<T>(0), made.table.front().bytes, made.zeros.data(),
                                      made.zero, v.out<T>(0)};
    const int64_t tasks = int64_t{layer.blocks} * layer.batches * layer.pairs;
    const int64_t work = int64_t{layer.rows} * layer.out_width * layer.block;
    std::atomic<int> taken{0};
    v.parallel(tasks, grain_of(work * kOutputCost), [&](int64_t begin, int64_t end) {
      made.kernel->run(call, begin, end, v.scratch<std::byte>(buffers) + taken++ * bytes);
    });
  };
}

std::vector<int32_t> bias_of(const Preparation& p, int64_t channels) {
  if (!has_bias(p, 2, DType::int32, channels)) return std::vector<int32_t>(static_cast<size_t>(channels));
  const auto* bias = reinterpret_cast<const int32_t*>(p.input(2).constant);
  return {bias, bias + channels};
}

DepthwiseSums int8_sums(Preparation& p, const ConvGeometry& g) {
  DepthwiseSums sums;
  sums.bias = bias_of(p, g.channels_out);
  sums.multipliers = quantize_multipliers(effective_scales(p, 1, 3, g.channels_out), kMaxShift);
  sums.input_zero_point = p.input(0).zero_point();
  const Operand& weights = p.input(1);
  if (weights.dtype == DType::int8) {
    const auto* w = reinterpret_cast<const int8_t*>(weights.constant);
    sums.weights.assign(w, w + weights.shape.elements());
  } else {
    const auto w = unpack_signed(weights.constant, dtype_bits(weights.dtype), weights.shape.elements());
    sums.weights.assign(w.begin(), w.end());
  }
  return sums;
}

DepthwiseSums uint8_sums(Preparation& p, const ConvGeometry& g) {
  DepthwiseSums sums;
  sums.bias = bias_of(p, g.channels_out);
  sums.multipliers.assign(static_cast<size_t>(g.channels_out), quantize_multiplier(effective_scale(p, 1)));
  sums.input_zero_point = p.input(0).zero_point();
  const auto* w = reinterpret_cast<const uint8_t*>(p.input(1).constant);
  const int32_t zero_point = p.input(1).zero_point();
  for (int64_t i = 0; i < p.input(1).shape.elements(); ++i)
    sums.weights.push_back(static_cast<int16_t>(w[i] - zero_point));
  return sums;
}

}  // namespace

Compute fast_depthwise_int8(Preparation& p, const ConvGeometry& g) {
  return has_constants(p) && quantized_depthwise(INT8_MAX) ? run_quantized<int8_t>(p, g, int8_sums) : Compute();
}

Compute fast_depthwise_uint8(Preparation& p, const ConvGeometry& g) {
  return has_constants(p) && quantized_depthwise(UINT8_MAX) ? run_quantized<uint8_t>(p, g, uint8_sums) : Compute();
}

Compute fast_depthwise_float(Preparation& p, const ConvGeometry& g) {
  const FloatDepthwiseKernel* kernel = float_depthwise();
  if (!kernel || g.pixels() == 0) return {};
  const bool biased = has_bias(p, 2, DType::float32, g.channels_out);
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  FloatDepthwise layer;
  layer.batches = g.batches;
  layer.in_height = g.y.in;
  layer.in_width = g.x.in;
  layer.channels_in = g.channels_in;
  layer.out_height = g.y.out;
  layer.out_width = g.x.out;
  layer.channels = g.channels_out;
  layer.multiplier = g.channels_out / g.channels_in;
  layer.filter_height = g.y.filter;
  layer.filter_width = g.x.filter;
  layer.stride_y = g.y.stride;
  layer.stride_x = g.x.stride;
  layer.dilation_y = g.y.dilation;
  layer.dilation_x = g.x.dilation;
  layer.before_y = g.y.before;
  layer.before_x = g.x.before;
  layer.min = range.min;
  layer.max = range.max;
  const auto zeros = std::make_shared<const std::vector<float>>(size_t{kDepthwiseZeroColumns} * g.channels_in);
  const int64_t tasks = kernel->tasks(layer), work = g.pixels() * g.taps() * g.channels_out / kVectorGain;
  const int64_t grain = grain_of(work / tasks);
  return [=](const Invocation& v) {
    const FloatDepthwiseCall call{&layer,        v.in<float>(0), v.in<float>(1), biased ? v.in<float>(2) : nullptr,
                                  zeros->data(), v.out<float>(0)};
    v.parallel(tasks, grain, [&](int64_t begin, int64_t end) { kernel->run(call, begin, end); });
  };
}

}  // namespace subgraft
