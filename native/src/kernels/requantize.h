// From integer sums back to quantized outputs: the multipliers of each output channel and the last step of a kernel.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "core/fixed_point.h"
#include "kernels/weights.h"
#include "runtime/kernel.h"

namespace subgraft {

// One scale for each of `channels` along `axis` of input i; a per-tensor scale is repeated.
inline std::vector<float> channel_scales(const Preparation& p, int i, int axis, int64_t channels) {
  const Operand& weights = p.input(i);
  if (!weights.is_per_channel()) return std::vector<float>(channels, weights.scale());
  const Quantization& q = *weights.quantization;
  p.require(static_cast<int64_t>(q.scale.size()) == channels, "weights have ", q.scale.size(), " scales for ", channels,
            " channels");
  p.require(q.quantized_dimension == axis, "weights are quantized along dimension ", q.quantized_dimension, ", not ",
            axis);
  for (const float scale : q.scale) p.require(std::isfinite(scale) && scale > 0, "weights have the scale ", scale);
  return q.scale;
}

// input scale * weights scale / output scale for each channel, in double precision. `data` is the input that is
// multiplied with the weights.
inline std::vector<double> effective_scales(const Preparation& p, int weights, int axis, int64_t channels,
                                            int data = 0) {
  const double in = p.input(data).scale(), out = p.output(0).scale();
  std::vector<double> scales;
  for (const float scale : channel_scales(p, weights, axis, channels)) scales.push_back(in * scale / out);
  return scales;
}

// The same for one scale where the reference multiplies in single precision (legacy uint8, BATCH_MATMUL).
inline double effective_scale(const Preparation& p, int weights, int data = 0) {
  const float product = p.input(data).scale() * p.input(weights).scale();
  return static_cast<double>(product) / p.output(0).scale();
}

inline std::vector<Multiplier> quantize_multipliers(const std::vector<double>& scales, int max_shift) {
  std::vector<Multiplier> multipliers;
  for (const double scale : scales) multipliers.push_back(quantize_multiplier(scale, max_shift));
  return multipliers;
}

// The clamp of the op's fused activation for outputs of type T.
template <typename T>
Range<int32_t> output_range(const Preparation& p, int64_t activation) {
  if (activation == 0) return {std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};
  return quantized_activation_range<T>(activation, p.output(0).scale(), p.output(0).zero_point());
}

// The last step for sums in fixed point: bias, multiplier of the channel, zero point, clamp.
template <typename Out, typename Bias>
struct Requantize {
  const Multiplier* multipliers;
  const Bias* bias;  // null: none
  int32_t zero_point;
  Range<int32_t> range;
  Out* out;

  template <typename Sum>
  void operator()(int64_t at, int64_t channel, Sum sum) const {
    if (bias) sum += static_cast<Sum>(bias[channel]);
    int32_t scaled;
    if constexpr (sizeof(Sum) == 8)
      scaled = rescale_wide(static_cast<int64_t>(sum), multipliers[channel]);
    else
      scaled = rescale(static_cast<int32_t>(sum), multipliers[channel]);
    scaled = static_cast<int32_t>(static_cast<uint32_t>(scaled) + static_cast<uint32_t>(zero_point));
    out[at] = static_cast<Out>(range.clamp(scaled));
  }
};

// Requantize as it is prepared for an op with its weights at input 1 and its bias, if any, at input 2.
template <typename Out, typename Bias>
class Requantization {
 public:
  // multipliers: one for each of the op's channels.
  Requantization(const Preparation& p, std::vector<Multiplier> multipliers)
      : multipliers_(std::move(multipliers)),
        biased_(has_bias(p, 2, DTypeOf<Bias>::value, static_cast<int64_t>(multipliers_.size()))),
        zero_point_(p.output(0).zero_point()),
        range_(output_range<Out>(p, p.options().integer("fused_activation_function"))) {}

  Requantize<Out, Bias> now(const Invocation& v) const {
    return {multipliers_.data(), biased_ ? v.in<Bias>(2) : nullptr, zero_point_, range_, v.out<Out>(0)};
  }

 private:
  std::vector<Multiplier> multipliers_;
  bool biased_;
  int32_t zero_point_;
  Range<int32_t> range_;
};

// The last step where the reference multiplies in double precision (FULLY_CONNECTED).
template <typename Out, typename Bias>
struct RequantizeReal {
  const double* scales;  // one for each channel
  const Bias* bias;
  int32_t zero_point;
  Range<int32_t> range;
  Out* out;

  template <typename Sum>
  void operator()(int64_t at, int64_t channel, Sum sum) const {
    if (bias) sum += static_cast<Sum>(bias[channel]);
    const double real = static_cast<double>(static_cast<std::make_signed_t<Sum>>(sum)) * scales[channel];
    const int64_t quantized = int64_t{round_to<int32_t>(real)} + zero_point;
    out[at] = static_cast<Out>(std::clamp<int64_t>(quantized, range.min, range.max));
  }
};

// The last step for real sums.
struct AddBias {
  const float* bias;  // null: none
  Range<float> range;
  float* out;

  void operator()(int64_t at, int64_t channel, float sum) const {
    out[at] = range.clamp(sum + (bias ? bias[channel] : 0.0f));
  }
};

// The last step for integer sums of inputs that were quantized on the way in.
struct Dequantize {
  const float* scales;  // of the weights, one for each channel
  float input_scale;
  const float* bias;
  Range<float> range;
  float* out;

  void operator()(int64_t at, int64_t channel, uint32_t sum) const {
    const float real = static_cast<float>(static_cast<int32_t>(sum)) * (input_scale * scales[channel]);
    out[at] = range.clamp(real + (bias ? bias[channel] : 0.0f));
  }
};

}  // namespace subgraft
