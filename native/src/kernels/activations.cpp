// LOGISTIC, TANH, the RELUs, PRELU, LEAKY_RELU, ELU, HARD_SWISH and GELU.
#include <cmath>

#include "core/fixed_point.h"
#include "core/half.h"
#include "kernels/arithmetic_math.h"
#include "kernels/broadcast.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"
#include "kernels/fast_arithmetic.h"
#include "kernels/hard_swish.h"
#include "kernels/lookup_table.h"
#include "kernels/map.h"
#include "kernels/sigmoid_table.h"

namespace subgraft {
namespace {

template <typename T>
inline constexpr bool kIsReal = std::is_same_v<T, float> || kIsShortFloat<T>;

// The fast function, where T is float and there is one.
template <typename T, typename Parameters = NoParameters>
Compute fast_real(int64_t count, MapFunction Elementwise::* function, const Parameters& parameters = {},
                  int64_t grain = kFunctionGrain) {
  return std::is_same_v<T, float> ? fast_float_map(count, function, parameters, grain) : Compute();
}

// How LOGISTIC and TANH of int16 rescale their input. Scales of 2^-12 (and up to 2^-(12 - max_shift)) are exact.
SigmoidInput sigmoid_input(const Preparation& p, int max_shift) {
  constexpr int kFractionBits = 12;
  require_symmetric(p);
  int exponent = 0;
  p.require(is_power_of_two(p.output(0).scale(), exponent) && exponent == -15,
            "output of int16 needs the scale 2^-15, not ", p.output(0).scale());
  const float scale = p.input(0).scale();
  if (is_power_of_two(scale, exponent) && exponent >= -kFractionBits && exponent <= max_shift - kFractionBits)
    return {3 << (exponent + kFractionBits), 0};
  SigmoidInput input;
  double multiplier = scale * 4096.0 * 3.0;
  while (multiplier <= 32767.0 / 2.0 && input.shift <= 30) {
    ++input.shift;
    multiplier *= 2;
  }
  if (input.shift > 30 || multiplier > 65535) p.unsupported(p.name(), " of int16 with the scale ", scale);
  input.multiplier = static_cast<int32_t>(multiplier);
  return input;
}

template <typename Sigmoid>
Compute map_sigmoid(int64_t count, MapFunction Elementwise::* function, SigmoidInput input) {
  const Elementwise* fast = elementwise();
  if (!fast) return map<int16_t, int16_t>(count, Sigmoid(input));
  SigmoidMap parameters{input.multiplier, input.shift, {}};
  const auto points = make_sigmoid_points();
  std::copy(points.begin(), points.end(), parameters.points);
  return fast_map<int16_t, int16_t>(count, kFunctionGrain, fast->*function, parameters);
}

float logistic(float x) {
  // Below, 1 + e^-x is e^-x, and above, it is 1.
  if (x > 16.619047164916992188f) return 1;
  if (x < -9) return std::exp(x);
  return 1 / (1 + std::exp(-x));
}

Compute prepare_logistic(Preparation& p) {
  const int64_t count = prepare_map(p);
  return dispatch<float, Half, BFloat16, int8_t, uint8_t, int16_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (kIsReal<T>) {
      if (Compute fast = fast_real<T>(count, &Elementwise::logistic)) return fast;
      return map<T, T>(count, computed_as_float<T>(logistic));
    } else if constexpr (std::is_same_v<T, int16_t>) {
      return map_sigmoid<Logistic16>(count, &Elementwise::logistic_of_16, sigmoid_input(p, 0));
    } else {
      p.require(p.output(0).scale() == 1.0f / 256, "output needs the scale 1/256, not ", p.output(0).scale());
      return map_function<T>(p, count, [](float x) { return 1 / (1 + std::exp(-x)); });
    }
  });
}

Compute prepare_tanh(Preparation& p) {
  const int64_t count = prepare_map(p);
  const auto tanh = [](float x) { return std::tanh(x); };
  return dispatch<float, Half, BFloat16, int8_t, uint8_t, int16_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (kIsReal<T>) {
      if (Compute fast = fast_real<T>(count, &Elementwise::tanh)) return fast;
      return map<T, T>(count, computed_as_float<T>(tanh));
    }
    if constexpr (std::is_same_v<T, int16_t>)
      return map_sigmoid<Tanh16>(count, &Elementwise::tanh_of_16, sigmoid_input(p, 1));
    if constexpr (sizeof(T) == 1) return map_function<T>(p, count, tanh);
  });
}

Compute prepare_elu(Preparation& p) {
  const int64_t count = prepare_map(p);
  const auto elu = [](float x) { return x < 0 ? std::expm1(x) : x; };
  return dispatch<float, int8_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, float>) {
      if (Compute fast = fast_real<T>(count, &Elementwise::elu)) return fast;
      return map<float, float>(count, elu);
    }
    if constexpr (std::is_same_v<T, int8_t>) return map_function<T>(p, count, elu);
  });
}

float gelu(float x) { return 0.5f * x * std::erfc(x * -0.70710678118654752440f); }

float gelu_by_tanh(float x) {
  constexpr float sqrt_2_over_pi = 0.79788456080286535588f;
  return 0.5f * x * (1 + std::tanh(sqrt_2_over_pi * (x + 0.044715f * x * x * x)));
}

Compute prepare_gelu(Preparation& p) {
  const int64_t count = prepare_map(p);
  const bool approximate = p.options().boolean("approximate");
  float (*const f)(float) = approximate ? gelu_by_tanh : gelu;
  return dispatch<float, Half, int8_t, uint8_t, int16_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (kIsReal<T>) {
      if (Compute fast = fast_real<T>(count, approximate ? &Elementwise::gelu_by_tanh : &Elementwise::gelu))
        return fast;
      return map<T, T>(count, computed_as_float<T>(f));
    } else {
      return map_function<T>(p, count, f);
    }
  });
}

// The nearest quantized value of a bound, within T.
template <typename T>
int32_t quantized_bound(float bound, Affine out) {
  const double steps = std::round(bound / out.scale) + double{1} * out.zero_point;
  return static_cast<int32_t>(std::clamp<double>(steps, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

template <typename T>
Compute quantized_relu(const Preparation& p, int64_t count, float low, float high) {
  const Affine in = Affine::of(p.input(0)), out = Affine::of(p.output(0));
  if constexpr (std::is_same_v<T, int16_t>) require_symmetric(p);
  const Multiplier multiplier = quantize_multiplier(in.scale / out.scale);
  const int32_t min = quantized_bound<T>(low, out), max = quantized_bound<T>(high, out);
  if (const Elementwise* fast = elementwise();
      fast && std::is_same_v<T, int16_t> && min <= max && fits_fast_scaling(multiplier, 16)) {
    const Scaling scale = scaling(multiplier);
    const QuantizedMap parameters{in.zero_point, scale, scale, false, out.zero_point, {min, max}};
    return fast_map<T, T>(count, kFunctionGrain, fast->of_int16.rescale_to_int16, parameters);
  }
  return map_quantized<T, T>(count, [=](T x) {
    return static_cast<T>(
        std::min(std::max(min, wrapping_add(rescale(x - in.zero_point, multiplier), out.zero_point)), max));
  });
}

Compute clamp_between(Preparation& p, float low, float high) {
  const int64_t count = prepare_map(p);
  return dispatch<float, int8_t, uint8_t, int16_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, float>) {
      const FloatRange range{low, high};
      if (Compute fast = fast_real<T>(count, &Elementwise::clamp, range, kSimpleFunctionGrain)) return fast;
      return map<float, float>(count, [low, high](float x) { return x > high ? high : x < low ? low : x; });
    } else {
      return quantized_relu<T>(p, count, low, high);
    }
  });
}

Compute prepare_relu(Preparation& p) { return clamp_between(p, 0, std::numeric_limits<float>::infinity()); }
Compute prepare_relu6(Preparation& p) { return clamp_between(p, 0, 6); }
Compute prepare_relu_n1_to_1(Preparation& p) { return clamp_between(p, -1, 1); }
Compute prepare_relu_0_to_1(Preparation& p) { return clamp_between(p, 0, 1); }

template <typename T>
Compute quantized_leaky_relu(const Preparation& p, int64_t count, float alpha) {
  const Affine in = Affine::of(p.input(0)), out = Affine::of(p.output(0));
  if constexpr (std::is_same_v<T, int16_t>) require_symmetric(p);
  const Multiplier positive = quantize_multiplier(in.scale / out.scale);
  const Multiplier negative = quantize_multiplier(std::abs(in.scale * alpha / out.scale));
  const int64_t sign = alpha < 0 ? -1 : 1;
  if (const Elementwise* fast = elementwise();
      fast && std::is_same_v<T, int16_t> && fits_fast_scaling(positive, 16) && fits_fast_scaling(negative, 16)) {
    const QuantizedMap parameters{in.zero_point, scaling(positive), scaling(negative),
                                  sign < 0,      out.zero_point,    {-32768, 32767}};
    return fast_map<T, T>(count, kFunctionGrain, fast->of_int16.rescale_to_int16, parameters);
  }
  return map_quantized<T, T>(count, [=](T value) {
    const int32_t x = value - in.zero_point;
    const int64_t y = x >= 0 ? rescale(x, positive) : sign * rescale(x, negative);
    return saturate<T>(y + out.zero_point);
  });
}

Compute prepare_leaky_relu(Preparation& p) {
  const int64_t count = prepare_map(p);
  const float alpha = static_cast<float>(p.options().real("alpha"));
  return dispatch<float, int8_t, uint8_t, int16_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, float>) {
      if (Compute fast = fast_real<T>(count, &Elementwise::leaky_relu, alpha, kSimpleFunctionGrain)) return fast;
      return map<float, float>(count, [alpha](float x) { return x > 0 ? x : x * alpha; });
    } else {
      return quantized_leaky_relu<T>(p, count, alpha);
    }
  });
}

template <typename T, typename Alpha>
Compute quantized_prelu(Preparation& p, const Broadcast<2>& plan) {
  const Affine in = Affine::of(p.input(0)), slope = Affine::of(p.input(1)), out = Affine::of(p.output(0));
  const Multiplier positive = quantize_multiplier(in.scale / out.scale);
  const Multiplier negative = quantize_multiplier(in.scale * slope.scale / out.scale);
  const auto one = [=](T value, Alpha alpha) {
    const int32_t x = value - in.zero_point;
    const int32_t y = x >= 0 ? rescale(x, positive) : rescale(x * (alpha - slope.zero_point), negative);
    return saturate<T>(int64_t{y} + out.zero_point);
  };
  if constexpr (sizeof(T) == 1) {
    if (Compute fast = fast_table_of_pairs<T, T, T>(p, plan, one)) return fast;
    const auto* table = fast_quantized<T>();
    if (table && fits_fast_scaling(positive, 16) && fits_fast_scaling(negative, 16)) {
      const QuantizedPrelu parameters{{in.zero_point, slope.zero_point},
                                      scaling(positive),
                                      scaling(negative),
                                      out.zero_point,
                                      {std::numeric_limits<T>::min(), std::numeric_limits<T>::max()}};
      return fast_pairs<T, T, T>(p, plan, table->prelu, kQuantizedPairsGrain, parameters);
    }
  }
  return map2<T, Alpha, T>(plan, one);
}

Compute prepare_prelu(Preparation& p) {
  p.expect(2, 1);
  const Operand &input = p.input(0), &alpha = p.input(1);
  const DType alpha_dtype = input.dtype == DType::int16 ? DType::int8 : input.dtype;
  p.require(alpha.dtype == alpha_dtype && p.output(0).dtype == input.dtype, "input is ", dtype_name(input.dtype),
            ", but alpha is ", dtype_name(alpha.dtype), " and output ", dtype_name(p.output(0).dtype));
  const Broadcast<2> plan({input.shape, alpha.shape});
  p.require(plan.shape() == input.shape, "alpha of shape ", alpha.shape.text(), " is larger than the input, ",
            input.shape.text());
  p.set_output(0, input.shape);
  p.share(0, 0);
  return dispatch<float, int8_t, uint8_t, int16_t>(p, input.dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, float>) {
      if (const Elementwise* fast = elementwise())
        return fast_pairs<T, T, T>(p, plan, fast->prelu, kFloatPairsGrain, NoParameters());
      return map2<float, float, float>(plan, [](float x, float a) {
        const float scaled = x * a;
        return x >= 0 ? x : scaled;
      });
    } else {
      return quantized_prelu<T, std::conditional_t<std::is_same_v<T, int16_t>, int8_t, T>>(p, plan);
    }
  });
}

template <typename T>
Compute quantized_hard_swish(const Preparation& p, int64_t count) {
  constexpr float kRampScale = 3.0f / 32768;
  const Affine in = Affine::of(p.input(0)), out = Affine::of(p.output(0));
  const float fine_scale = (1.0f / 128) * in.scale;
  const Multiplier output = quantize_multiplier(fine_scale / out.scale);
  const Multiplier ramp = quantize_multiplier(fine_scale / kRampScale);
  if (output.shift > 0) p.unsupported("HARD_SWISH with input scale ", in.scale, " and output scale ", out.scale);
  const HardSwishParams params{
      in.zero_point, out.zero_point, narrow_multiplier(output.value), -output.shift, narrow_multiplier(ramp.value),
      ramp.shift};
  return map_quantized<T, T>(count, [params](T x) { return hard_swish(x, params); });
}

Compute prepare_hard_swish(Preparation& p) {
  const int64_t count = prepare_map(p);
  return dispatch<float, int8_t, uint8_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, float>) {
      if (Compute fast = fast_real<T>(count, &Elementwise::hard_swish)) return fast;
      return map<float, float>(count, [](float x) { return x * std::min(6.0f, std::max(0.0f, x + 3)) / 6; });
    } else {
      return quantized_hard_swish<T>(p, count);
    }
  });
}

}  // namespace

void register_activations(Registry& registry) {
  registry.add("LOGISTIC", prepare_logistic);
  registry.add("TANH", prepare_tanh);
  registry.add("RELU", prepare_relu);
  registry.add("RELU6", prepare_relu6);
  registry.add("RELU_N1_TO_1", prepare_relu_n1_to_1);
  registry.add("RELU_0_TO_1", prepare_relu_0_to_1);
  registry.add("PRELU", prepare_prelu);
  registry.add("LEAKY_RELU", prepare_leaky_relu);
  registry.add("ELU", prepare_elu);
  registry.add("HARD_SWISH", prepare_hard_swish);
  registry.add("GELU", prepare_gelu);
}

}  // namespace subgraft
