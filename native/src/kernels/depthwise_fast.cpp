#include "kernels/depthwise_fast.h"

#include <algorithm>
#include <bit>
#include <string>

#include "core/instruction_set.h"
#include "core/joined.h"
#include "kernels/depthwise_layout.h"
#include "kernels/dot.h"
#include "kernels/dynamic_range.h"
#include "kernels/float_followers.h"
#include "kernels/requantize.h"
#include "kernels/slots.h"
#include "micro/depthwise_float.h"
#include "micro/quantize_rows.h"

namespace subgraft {
namespace {

// For grain_of(), which counts multiplications one by one: what an integer output costs beside its steps, each of which
// is as one. Products of floats count as they are, though they are done by the vector: they wait for memory.
constexpr int64_t kOutputCost = 4;

// Images and filters that are one column wide, as those of sounds are, lie in memory as if they were one row high: a
// row takes many outputs at once.
ConvGeometry laid_down(ConvGeometry g) {
  constexpr int32_t kManyOutputs = 4;
  if (g.x.in == 1 && g.x.filter == 1 && g.x.out == 1 && g.y.out >= kManyOutputs) std::swap(g.x, g.y);
  return g;
}

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
  std::string kind = joined("depthwise ", name_of(best_instruction_set()), " ", bias, in.shape.text(), " ",
                            p.options().integer("fused_activation_function"));
  for (const Window& w : {g.y, g.x}) kind += joined(" ", w.out, " ", w.stride, " ", w.dilation, " ", w.before);
  for (const Operand& data : {in, out})
    if (data.is_quantized()) kind += joined(" ", std::bit_cast<uint32_t>(data.scale()), " ", data.zero_point());
  return kind;
}

using Shared = std::shared_ptr<const std::optional<QuantizedLayer>>;
using SumsOf = DepthwiseSums (*)(Preparation& p, const ConvGeometry& g);

std::optional<QuantizedLayer> make_layer(const ConvGeometry& g, const DepthwiseSums& sums) {
  const QuantizedDepthwiseKernel* kernel = quantized_depthwise(*std::ranges::max_element(sums.weights));
  if (!kernel) return std::nullopt;
  const auto layer = plan_depthwise(g, *kernel, sums);
  if (!layer) return std::nullopt;
  // 16-bit activations, and rows that are filled while running, begin with zeros.
  const auto zero = static_cast<std::byte>(sums.input_zero_point);
  const bool flips = sums.is_signed && sums.in_bytes == 1;
  const uint32_t zeros = (static_cast<uint32_t>(zero) ^ (flips ? 0x80 : 0)) * 0x01010101u;
  const size_t row_bytes = static_cast<size_t>(int64_t{g.x.in} * g.channels_in * sums.in_bytes);
  return QuantizedLayer{kernel, *layer, depthwise_table(*layer, *kernel, sums), std::vector<std::byte>(row_bytes, zero),
                        zeros};
}

// Empty where there is no fast kernel for it.
Shared share_layer(Preparation& p, const ConvGeometry& g, SumsOf sums_of) {
  if (!has_constants(p) || !quantized_depthwise(INT8_MAX)) return nullptr;
  auto shared = p.shared<std::optional<QuantizedLayer>>(1, kind_of(p, g), [&] { return make_layer(g, sums_of(p, g)); });
  return *shared ? shared : nullptr;
}

// The part of the scratch memory that threads divide.
class Buffers {
 public:
  Buffers(Preparation& p, const QuantizedDepthwise& layer)
      : bytes_(layer.buffer_bytes), slots_(Slots::count_for(p.threads())), buffers_(p.scratch(bytes_ * slots_)) {}

  void run(const Invocation& v, const QuantizedDepthwiseKernel& kernel, const QuantizedDepthwiseCall& call) const {
    const QuantizedDepthwise& layer = *call.layer;
    const int64_t tasks = int64_t{layer.blocks} * layer.batches * layer.pairs;
    const int64_t outputs = int64_t{layer.rows} * layer.out_width * layer.block;
    Slots slots(slots_);
    v.parallel(tasks, grain_of(outputs * (kOutputCost + layer.steps)), [&](int64_t begin, int64_t end) {
      const int slot = slots.take();
      kernel.run(call, begin, end, v.scratch<std::byte>(buffers_) + slot * bytes_);
      slots.give(slot);
    });
  }

 private:
  int64_t bytes_;
  int slots_, buffers_;
};

Compute run_quantized(Preparation& p, const ConvGeometry& g, SumsOf sums_of) {
  const Shared shared = share_layer(p, g, sums_of);
  if (!shared) return {};
  const Buffers buffers(p, (*shared)->layer);
  return [=](const Invocation& v) {
    const QuantizedLayer& made = **shared;
    const QuantizedDepthwiseCall call{&made.layer,
                                      v.in<std::byte>(0),
                                      made.table.front().bytes,
                                      made.zeros.data(),
                                      made.zero,
                                      v.out<std::byte>(0),
                                      1,
                                      0};
    buffers.run(v, *made.kernel, call);
  };
}

template <typename T>
std::vector<int64_t> bias_of(const Preparation& p, int64_t channels) {
  std::vector<int64_t> bias(static_cast<size_t>(channels));
  if (!has_bias(p, 2, DTypeOf<T>::value, channels)) return bias;
  const T* values = reinterpret_cast<const T*>(p.input(2).constant);
  std::copy_n(values, channels, bias.begin());
  return bias;
}

std::vector<int16_t> signed_weights(const Preparation& p) {
  const Operand& weights = p.input(1);
  const int64_t count = weights.shape.elements();
  if (weights.dtype != DType::int8) {
    const auto unpacked = unpack_signed(weights.constant, dtype_bits(weights.dtype), count);
    return {unpacked.begin(), unpacked.end()};
  }
  const auto* w = reinterpret_cast<const int8_t*>(weights.constant);
  return {w, w + count};
}

int64_t activation(const Preparation& p) { return p.options().integer("fused_activation_function"); }

DepthwiseSums int8_sums(Preparation& p, const ConvGeometry& g) {
  DepthwiseSums sums;
  sums.bias = bias_of<int32_t>(p, g.channels_out);
  sums.multipliers = quantize_multipliers(effective_scales(p, 1, 3, g.channels_out), kMaxShift);
  sums.input_zero_point = p.input(0).zero_point();
  sums.output_zero_point = p.output(0).zero_point();
  sums.weights = signed_weights(p);
  sums.range = output_range<int8_t>(p, activation(p));
  return sums;
}

DepthwiseSums uint8_sums(Preparation& p, const ConvGeometry& g) {
  DepthwiseSums sums;
  sums.bias = bias_of<int32_t>(p, g.channels_out);
  sums.multipliers.assign(static_cast<size_t>(g.channels_out), quantize_multiplier(effective_scale(p, 1)));
  sums.input_zero_point = p.input(0).zero_point();
  sums.output_zero_point = p.output(0).zero_point();
  const auto* w = reinterpret_cast<const uint8_t*>(p.input(1).constant);
  const int32_t zero_point = p.input(1).zero_point();
  for (int64_t i = 0; i < p.input(1).shape.elements(); ++i)
    sums.weights.push_back(static_cast<int16_t>(w[i] - zero_point));
  sums.is_signed = false;
  sums.range = output_range<uint8_t>(p, activation(p));
  return sums;
}

DepthwiseSums int16_sums(Preparation& p, const ConvGeometry& g) {
  DepthwiseSums sums;
  sums.bias = bias_of<int64_t>(p, g.channels_out);
  sums.multipliers = quantize_multipliers(effective_scales(p, 1, 3, g.channels_out), kMaxWideShift);
  sums.weights = signed_weights(p);
  sums.in_bytes = sums.out_bytes = 2;
  sums.range = output_range<int16_t>(p, activation(p));
  return sums;
}

DepthwiseSums hybrid_sums(Preparation& p, const ConvGeometry& g) {
  DepthwiseSums sums;
  sums.scales = channel_scales(p, 1, 3, g.channels_out);
  sums.real_bias.resize(sums.scales.size());
  if (has_bias(p, 2, DType::float32, g.channels_out))
    std::copy_n(reinterpret_cast<const float*>(p.input(2).constant), g.channels_out, sums.real_bias.begin());
  sums.weights = signed_weights(p);
  sums.out_bytes = 4;
  sums.real_range = activation_range(activation(p));
  return sums;
}

FloatDepthwise float_layer(const ConvGeometry& g, Range<float> range) {
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
  return layer;
}

// quantize_asymmetric() on vectors.
DynamicRange quantize_image(const QuantizeRows* kernel, const float* values, int64_t count, int8_t* quantized) {
  if (!kernel) return quantize_asymmetric(values, count, quantized);
  float low, high;
  kernel->range(values, count, low, high);
  const DynamicRange range = asymmetric_range(low, high);
  if (low == high)
    std::fill_n(quantized, count, int8_t{0});
  else
    kernel->quantize(values, count, 1 / range.scale, range.zero_point, INT8_MIN, 0,
                     reinterpret_cast<uint8_t*>(quantized));
  return range;
}

}  // namespace

Compute fast_depthwise_int8(Preparation& p, const ConvGeometry& g) { return run_quantized(p, laid_down(g), int8_sums); }

Compute fast_depthwise_uint8(Preparation& p, const ConvGeometry& g) {
  return run_quantized(p, laid_down(g), uint8_sums);
}

Compute fast_depthwise_int16(Preparation& p, const ConvGeometry& g) {
  return run_quantized(p, laid_down(g), int16_sums);
}

// Every batch is quantized by itself; then batches are convolved one after the other.
Compute fast_depthwise_hybrid(Preparation& p, const ConvGeometry& geometry) {
  const ConvGeometry g = laid_down(geometry);
  ConvGeometry one = g;
  one.batches = 1;
  const Shared shared = g.pixels() > 0 ? share_layer(p, one, hybrid_sums) : nullptr;
  if (!shared) return {};
  const Buffers buffers(p, (*shared)->layer);
  const int64_t row = int64_t{g.x.in} * g.channels_in;
  const int quantized = p.scratch(g.image() + row);
  const QuantizeRows* quantize = quantize_rows();
  return [=](const Invocation& v) {
    const QuantizedLayer& made = **shared;
    int8_t* const in = v.scratch<int8_t>(quantized);
    int8_t* const zeros = in + g.image();
    for (int32_t batch = 0; batch < g.batches; ++batch) {
      const DynamicRange q = quantize_image(quantize, v.in<float>(0) + batch * g.image(), g.image(), in);
      std::fill_n(zeros, row, static_cast<int8_t>(q.zero_point));
      const uint32_t zero = (static_cast<uint32_t>(q.zero_point) & 0xff) ^ 0x80;
      const QuantizedDepthwiseCall call{&made.layer,
                                        in,
                                        made.table.front().bytes,
                                        zeros,
                                        zero * 0x01010101u,
                                        v.out<float>(0) + batch * g.outputs(),
                                        q.scale,
                                        q.zero_point};
      buffers.run(v, *made.kernel, call);
    }
  };
}

Compute fast_depthwise_float(Preparation& p, const ConvGeometry& geometry) {
  const ConvGeometry g = laid_down(geometry);
  const FloatDepthwiseKernel* kernel = float_depthwise(g.channels_out);
  if (!kernel || g.pixels() == 0) return {};
  const bool biased = has_bias(p, 2, DType::float32, g.channels_out);
  const FloatDepthwise layer = float_layer(g, take_over_bounds(p, activation_range(activation(p))));
  const auto zeros = std::make_shared<const std::vector<float>>(size_t{kDepthwiseZeroColumns} * g.channels_in);
  const int64_t tasks = kernel->tasks(layer), work = g.pixels() * g.taps() * g.channels_out;
  const int64_t grain = grain_of(work / tasks);
  return [=](const Invocation& v) {
    const FloatDepthwiseCall call{&layer,        v.in<float>(0), v.in<float>(1), biased ? v.in<float>(2) : nullptr,
                                  zeros->data(), v.out<float>(0)};
    v.parallel(tasks, grain, [&](int64_t begin, int64_t end) { kernel->run(call, begin, end); });
  };
}

}  // namespace subgraft
