// ABS, NEG, SIGN, SQRT, RSQRT, EXP, LOG, SQUARE, SIN, COS, FLOOR, CEIL, ROUND, ZEROS_LIKE and LOGICAL_NOT.
#include <algorithm>
#include <cmath>

#include "core/half.h"
#include "kernels/arithmetic_math.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"
#include "kernels/inverse_sqrt.h"
#include "kernels/lookup_table.h"
#include "kernels/map.h"

namespace subgraft {
namespace {

// f of numbers of one of these types, each computed as a float; `fast` is the same for many floats, if there is one.
template <float (*f)(float), MapFunction Elementwise::* fast, typename... Ts>
Compute prepare_float(Preparation& p) {
  const int64_t count = prepare_map(p);
  return dispatch<Ts...>(p, p.input(0).dtype, [count](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, float> && fast != nullptr) {
      if (Compute compute = fast_float_map(count, fast)) return compute;
    }
    return map<T, T>(count, computed_as_float<T>([](float x) { return f(x); }));
  });
}

float square(float x) { return x * x; }
float sine(float x) { return std::sin(x); }
float cosine(float x) { return std::cos(x); }
float round_down(float x) { return std::floor(x); }
float round_up(float x) { return std::ceil(x); }
float round_to_even(float x) { return std::nearbyint(x); }

Compute prepare_logical_not(Preparation& p) {
  const int64_t count = prepare_map(p);
  if (p.input(0).dtype != DType::boolean) p.unsupported(p.name(), " of ", dtype_name(p.input(0).dtype));
  return map<uint8_t, bool>(count, [](uint8_t x) { return x == 0; });  // a file may hold any byte for true
}

// -1, 0 or 1; NaN stays NaN.
Compute prepare_sign(Preparation& p) {
  const int64_t count = prepare_map(p);
  return dispatch<float, double, int32_t>(p, p.input(0).dtype, [&](auto type) {
    using T = decltype(type);
    return map<T, T>(count, [](T x) { return x > 0 ? T{1} : x < 0 ? T{-1} : x == 0 ? T{0} : x; });
  });
}

Compute prepare_zeros_like(Preparation& p) {
  const int64_t count = prepare_map(p);
  return dispatch<float, int32_t, int64_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    return [count](const Invocation& v) { std::fill_n(v.out<T>(0), count, T{0}); };
  });
}

// Of the quantized numbers themselves, as TFLite has it.
Compute prepare_neg(Preparation& p) {
  const int64_t count = prepare_map(p);
  return dispatch<float, Half, BFloat16, int8_t, int16_t, int32_t, int64_t>(
      p, p.input(0).dtype, [&](auto type) -> Compute {
        using T = decltype(type);
        if constexpr (std::is_same_v<T, float>) {
          if (Compute fast = fast_float_map(count, &Elementwise::negate, NoParameters(), kSimpleFunctionGrain))
            return fast;
        }
        return map<T, T>(count, computed_as_float<T>([](auto x) {
                           if constexpr (std::is_floating_point_v<decltype(x)>)
                             return -x;
                           else
                             return wrapping_subtract(T{0}, x);
                         }));
      });
}

template <typename T>
Compute quantized_abs(const Preparation& p, int64_t count) {
  const Affine in = Affine::of(p.input(0)), out = Affine::of(p.output(0));
  if constexpr (std::is_same_v<T, int16_t>) require_symmetric(p);
  const bool same_scale = in.scale == out.scale;
  const Multiplier multiplier = same_scale ? Multiplier{} : quantize_multiplier(in.scale / out.scale);
  return map_quantized<T, T>(count, [=](T value) {
    const int32_t x = std::abs(value - in.zero_point);
    return saturate<T>(int64_t{same_scale ? x : rescale(x, multiplier)} + out.zero_point);
  });
}

Compute prepare_abs(Preparation& p) {
  const int64_t count = prepare_map(p);
  return dispatch<float, int8_t, int16_t, int32_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, float>) {
      if (Compute fast = fast_float_map(count, &Elementwise::abs, NoParameters(), kSimpleFunctionGrain)) return fast;
      return map<T, T>(count, [](T x) { return std::abs(x); });
    } else {
      if constexpr (sizeof(T) < 4) {
        if (sizeof(T) == 1 || p.input(0).is_quantized()) return quantized_abs<T>(p, count);
      }
      return map<T, T>(count, [](T x) { return x < 0 ? wrapping_subtract(T{0}, x) : x; });
    }
  });
}

// Refuses quantized numbers below zero before `compute` runs.
template <typename T>
Compute not_negative(const Preparation& p, int64_t count, Compute compute) {
  return [count, zero = p.input(0).zero_point(), name = p.name(), compute = std::move(compute)](const Invocation& v) {
    const T* in = v.in<T>(0);
    for (int64_t i = 0; i < count; ++i)
      if (in[i] < zero) throw RunError(concat(name, " of a negative number, element ", i));
    compute(v);
  };
}

template <typename T>
Compute quantized_sqrt(const Preparation& p, int64_t count) {
  const Affine in = Affine::of(p.input(0)), out = Affine::of(p.output(0));
  if constexpr (std::is_same_v<T, int16_t>) require_symmetric(p);
  return map_quantized<T, T>(count, [=](T x) {
    const float root = std::sqrt(in.scale * static_cast<float>(x - in.zero_point)) / out.scale;
    const double y = std::trunc(root) + double{1} * out.zero_point;
    return static_cast<T>(std::clamp<double>(y, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  });
}

Compute prepare_sqrt(Preparation& p) {
  const int64_t count = prepare_map(p);
  return dispatch<float, int8_t, int16_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, float>) {
      if (Compute fast = fast_float_map(count, &Elementwise::sqrt)) return fast;
      return map<T, T>(count, [](T x) { return std::sqrt(x); });
    } else {
      return not_negative<T>(p, count, quantized_sqrt<T>(p, count));
    }
  });
}

Compute quantized_rsqrt(const Preparation& p, int64_t count) {
  const Affine in = Affine::of(p.input(0)), out = Affine::of(p.output(0));
  const Multiplier multiplier = quantize_multiplier(1.0 / (std::sqrt(in.scale) * out.scale));
  std::array<int8_t, 256> values{};
  for (int32_t x = in.zero_point; x <= 127; ++x) {
    const int32_t y = rescaled_inverse_sqrt(x - in.zero_point, multiplier, out.zero_point);
    values[static_cast<uint8_t>(x)] = x == in.zero_point ? int8_t{127} : static_cast<int8_t>(std::clamp(y, -128, 127));
  }
  return map_table<int8_t, int8_t>(count, values);
}

Compute prepare_rsqrt(Preparation& p) {
  const int64_t count = prepare_map(p);
  return dispatch<float, int8_t, int16_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, float>) {
      if (Compute fast = fast_float_map(count, &Elementwise::inverse_sqrt)) return fast;
      return map<T, T>(count, [](T x) { return 1 / std::sqrt(x); });
    } else if constexpr (std::is_same_v<T, int8_t>) {
      return not_negative<T>(p, count, quantized_rsqrt(p, count));
    } else {
      require_symmetric(p);
      const float largest = 32767 * p.output(0).scale();
      return not_negative<T>(
          p, count, map_function<T>(p, count, [largest](float x) { return x <= 0 ? largest : 1 / std::sqrt(x); }));
    }
  });
}

Compute prepare_exp(Preparation& p) {
  const int64_t count = prepare_map(p);
  const auto exp = [](float x) { return std::exp(x); };
  return dispatch<float, int8_t, int16_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, float>) {
      if (Compute fast = fast_float_map(count, &Elementwise::exp)) return fast;
      return map<T, T>(count, exp);
    } else {
      if constexpr (std::is_same_v<T, int16_t>) require_symmetric(p);
      return map_function<T>(p, count, exp);
    }
  });
}

Compute prepare_log(Preparation& p) {
  const int64_t count = prepare_map(p);
  return dispatch<float, int8_t, int16_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, float>) {
      if (Compute fast = fast_float_map(count, &Elementwise::log)) return fast;
      return map<T, T>(count, [](T x) { return std::log(x); });
    } else {
      if constexpr (std::is_same_v<T, int16_t>) require_symmetric(p);
      const float smallest =
          static_cast<float>(std::numeric_limits<T>::min() - p.output(0).zero_point()) * p.output(0).scale();
      return map_function<T>(p, count, [smallest](float x) { return x <= 0 ? smallest : std::log(x); });
    }
  });
}

}  // namespace

void register_elementwise(Registry& registry) {
  registry.add("ABS", prepare_abs);
  registry.add("NEG", prepare_neg);
  registry.add("SIGN", prepare_sign);
  registry.add("SQRT", prepare_sqrt);
  registry.add("RSQRT", prepare_rsqrt);
  registry.add("EXP", prepare_exp);
  registry.add("LOG", prepare_log);
  registry.add("SQUARE", prepare_float<square, &Elementwise::square, float>);
  registry.add("SIN", prepare_float<sine, nullptr, float, Half>);
  registry.add("COS", prepare_float<cosine, nullptr, float, Half>);
  registry.add("FLOOR", prepare_float<round_down, &Elementwise::round_down, float, Half, BFloat16>);
  registry.add("CEIL", prepare_float<round_up, &Elementwise::round_up, float>);
  registry.add("ROUND", prepare_float<round_to_even, &Elementwise::round_to_even, float, Half, BFloat16>);
  registry.add("ZEROS_LIKE", prepare_zeros_like);
  registry.add("LOGICAL_NOT", prepare_logical_not);
}

}  // namespace subgraft
