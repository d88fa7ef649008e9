// ADD, SUB, MUL, DIV, FLOOR_DIV, MAXIMUM, MINIMUM and SQUARED_DIFFERENCE, with broadcasting.
#include <complex>

#include "core/fixed_point.h"
#include "core/half.h"
#include "kernels/arithmetic_math.h"
#include "kernels/broadcast.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"
#include "kernels/fast_arithmetic.h"
#include "kernels/quantization.h"
#include "kernels/requantize.h"

namespace subgraft {
namespace {

template <typename T>
inline constexpr bool kIsSmall = std::is_integral_v<T> && sizeof(T) <= 2;  // quantized, usually

int64_t activation(const Preparation& p) { return p.options().integer("fused_activation_function"); }

// The fused activation as a clamp of unquantized numbers.
template <typename T>
Range<T> plain_range(const Preparation& p) {
  const Range<float> real = activation_range(activation(p));
  Range<T> range;
  if (real.min > Range<float>().min) range.min = static_cast<T>(std::is_unsigned_v<T> ? 0 : real.min);
  if (real.max < Range<float>().max) range.max = static_cast<T>(real.max);
  return range;
}

template <typename T>
Range<int32_t> quantized_range(const Preparation& p) {
  return quantized_activation_range<T>(activation(p), p.output(0).scale(), p.output(0).zero_point());
}

double twice_larger_scale(const Preparation& p) { return 2 * std::max(p.input(0).scale(), p.input(1).scale()); }

CommonScale common_scale(const Preparation& p, int left_shift) {
  CommonScale common;
  common.left_shift = left_shift;
  for (int i = 0; i < 2; ++i) {
    common.zero_point[i] = p.input(i).zero_point();
    common.multiplier[i] = quantize_multiplier(p.input(i).scale() / twice_larger_scale(p));
  }
  return common;
}

// Shifts of int16 inputs whose scales, like the output's, are powers of two.
struct PowersOfTwo {
  bool hold = false;
  int right_shift[2] = {};
};

PowersOfTwo powers_of_two(const Preparation& p) {
  PowersOfTwo powers;
  if (!p.options().boolean("pot_scale_int16")) return powers;
  int exponents[3];
  const float scales[] = {p.input(0).scale(), p.input(1).scale(), p.output(0).scale()};
  for (int i = 0; i < 3; ++i)
    if (!is_power_of_two(scales[i], exponents[i])) return powers;
  powers.hold = true;
  for (int i = 0; i < 2; ++i) powers.right_shift[i] = exponents[2] - exponents[i];
  const auto [a, b] = powers.right_shift;
  if (a < 0 || b < 0 || (a > 0 && b > 0) || a > 15 || b > 15)
    p.unsupported(p.name(), " of int16 with scales ", scales[0], " and ", scales[1], " and output scale ", scales[2]);
  return powers;
}

// a + sign * b of quantized tensors.
template <typename T>
Compute quantized_sum(Preparation& p, const Broadcast<2>& plan, int32_t sign) {
  const Range<int32_t> range = quantized_range<T>(p);
  if constexpr (std::is_same_v<T, int16_t>) {
    require_symmetric(p);
    if (const PowersOfTwo powers = powers_of_two(p); powers.hold) {
      return map2<T, T, T>(plan, [range, sign, powers](T a, T b) {
        const int32_t sum =
            rounding_shift_right(a, powers.right_shift[0]) + sign * rounding_shift_right(b, powers.right_shift[1]);
        return static_cast<T>(range.clamp(std::clamp(sum, -32768, 32767)));
      });
    }
  }
  // As many bits as fit: 8 + 20 or 16 + 15, and the sum of two.
  const CommonScale common = common_scale(p, sizeof(T) == 1 ? 20 : 15);
  const float unit = static_cast<float>(1 << common.left_shift) * p.output(0).scale();
  const QuantizedOutput output{quantize_multiplier(twice_larger_scale(p) / unit), p.output(0).zero_point(), range};
  const auto one = [&](auto scaled) {
    return [scaled, output, sign](T a, T b) { return static_cast<T>(output(scaled.a(a) + sign * scaled.b(b))); };
  };
  if (Compute fast = fast_table_of_pairs<T, T, T>(p, plan, one(common))) return fast;
  if (Compute fast = fast_quantized_sum<T>(p, plan, sign, common, output)) return fast;
  return map2<T, T, T>(plan, one(tabulated<T>(common)));
}

// Unquantized small integers are ADDed too, but only of int16.
template <typename T>
bool is_plain(const Preparation& p) {
  return !kIsSmall<T> || (std::is_same_v<T, int16_t> && !p.output(0).is_quantized());
}

// The range of plain numbers of type T as they are computed: a half is clamped to what is finite, even without an
// activation, as floats are.
template <typename T>
auto computed_range(const Preparation& p) {
  if constexpr (std::is_same_v<T, Half>) {
    constexpr float kLargestHalf = 65504;
    const Range<float> range = plain_range<float>(p);
    return Range<float>{std::max(range.min, -kLargestHalf), std::min(range.max, kLargestHalf)};
  } else {
    return plain_range<T>(p);
  }
}

// f of plain numbers with the fused activation, or the fast functions that compute the same.
template <typename T, typename F>
Compute plain(Preparation& p, const Broadcast<2>& plan, PairFunctions Elementwise::* of_floats,
              PairFunctions Elementwise::* of_ints, F f) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, int32_t>) {
    if (Compute fast = fast_plain<T>(p, plan, of_floats, of_ints, plain_range<T>(p))) return fast;
  }
  return map2<T, T, T>(
      plan, computed_as_float<T>([range = computed_range<T>(p), f](auto a, auto b) { return range.clamp(f(a, b)); }));
}

Compute prepare_add(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  return dispatch<float, Half, int8_t, uint8_t, int16_t, int32_t, int64_t>(
      p, p.input(0).dtype, [&](auto type) -> Compute {
        using T = decltype(type);
        if constexpr (kIsSmall<T>) {
          if (!is_plain<T>(p)) return quantized_sum<T>(p, plan, 1);
        }
        return plain<T>(p, plan, &Elementwise::add, &Elementwise::add_int32,
                        [](auto a, auto b) { return wrapping_add(a, b); });
      });
}

Compute prepare_sub(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  return dispatch<float, int8_t, uint8_t, int16_t, int32_t, int64_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (kIsSmall<T>)
      return quantized_sum<T>(p, plan, -1);
    else
      return plain<T>(p, plan, &Elementwise::subtract, &Elementwise::subtract_int32,
                      [](T a, T b) { return wrapping_subtract(a, b); });
  });
}

template <typename T>
Compute quantized_product(Preparation& p, const Broadcast<2>& plan) {
  if constexpr (std::is_same_v<T, int16_t>) require_symmetric(p);
  const QuantizedOutput output{quantize_multiplier(p.input(0).scale() * p.input(1).scale() / p.output(0).scale()),
                               p.output(0).zero_point(), quantized_range<T>(p)};
  const auto one = [output, zero_a = p.input(0).zero_point(), zero_b = p.input(1).zero_point()](T a, T b) {
    return static_cast<T>(output((a - zero_a) * (b - zero_b)));
  };
  if (Compute fast = fast_table_of_pairs<T, T, T>(p, plan, one)) return fast;
  constexpr int kBits = sizeof(T) == 1 ? 16 : 30;
  const auto function = &Elementwise::Quantized::multiply;
  if (Compute fast = fast_quantized_pairs<T>(p, plan, function, nullptr, output, kBits)) return fast;
  return map2<T, T, T>(plan, one);
}

Compute complex_product(const Preparation& p, const Broadcast<2>& plan) {
  using T = std::complex<float>;
  if (p.options().integer("fused_activation_function") != 0) p.unsupported("an activation of complex numbers");
  return map2<T, T, T>(plan, [](T a, T b) { return a * b; });
}

// Fractions of 2^15 give fractions of 2^7, whatever the scales say: what the cell of a quantized LSTM computes.
template <typename T>
Compute fraction_product(Preparation& p) {
  const Broadcast<2> plan({p.input(0).shape, p.input(1).shape});
  p.set_output(0, plan.shape());
  const int32_t zero = p.output(0).is_quantized() ? p.output(0).zero_point() : 0;
  const Range<int32_t> range = output_range<T>(p, activation(p));
  return map2<int16_t, int16_t, T>(plan, [zero, range](int16_t a, int16_t b) {
    const int32_t fraction = rounding_shift_right<int32_t>(doubling_high_multiply(a, b), 8);
    return static_cast<T>(range.clamp(fraction + zero));
  });
}

Compute prepare_mul(Preparation& p) {
  p.expect(2, 1);
  if (p.input(0).dtype == DType::int16 && p.input(1).dtype == DType::int16) {
    if (p.output(0).dtype == DType::int8) return fraction_product<int8_t>(p);
    if (p.output(0).dtype == DType::uint8) return fraction_product<uint8_t>(p);
  }
  const Broadcast<2> plan = prepare_same_type(p);
  if (p.input(0).dtype == DType::complex64) return complex_product(p, plan);
  return dispatch<float, Half, int8_t, uint8_t, int16_t, int32_t, uint32_t, int64_t>(
      p, p.input(0).dtype, [&](auto type) -> Compute {
        using T = decltype(type);
        if constexpr (kIsSmall<T>) {
          if (!is_plain<T>(p)) return quantized_product<T>(p, plan);
        }
        return plain<T>(p, plan, &Elementwise::multiply, &Elementwise::multiply_int32,
                        [](auto a, auto b) { return wrapping_multiply(a, b); });
      });
}

// Refuses zeros in input 1 before `compute` divides by them.
template <typename T>
Compute divide_checked(const Preparation& p, T zero, Compute compute) {
  return [count = p.input(1).shape.elements(), zero, compute = std::move(compute)](const Invocation& v) {
    const T* divisors = v.in<T>(1);
    for (int64_t i = 0; i < count; ++i)
      if (divisors[i] == zero) throw RunError(concat("division by zero: element ", i, " of the second input"));
    compute(v);
  };
}

template <typename T>
Compute quantized_quotient(const Preparation& p, const Broadcast<2>& plan) {
  const Multiplier multiplier = quantize_multiplier(p.input(0).scale() / (p.input(1).scale() * p.output(0).scale()));
  const int32_t zero_a = p.input(0).zero_point(), zero_b = p.input(1).zero_point(), zero = p.output(0).zero_point();
  Compute compute = map2<T, T, T>(plan, [=, range = quantized_range<T>(p)](T a, T b) {
    return static_cast<T>(range.clamp(wrapping_add(divide(a - zero_a, b - zero_b, multiplier), zero)));
  });
  return divide_checked<T>(p, static_cast<T>(zero_b), std::move(compute));
}

Compute prepare_div(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  return dispatch<float, int8_t, uint8_t, int16_t, int32_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (kIsSmall<T>) {
      return quantized_quotient<T>(p, plan);
    } else if constexpr (std::is_same_v<T, int32_t>) {
      // In 64 bits, so that the minimum can be divided by -1.
      return divide_checked<T>(p, 0, map2<T, T, T>(plan, [range = plain_range<T>(p)](T a, T b) {
                                 return range.clamp(static_cast<T>(int64_t{a} / b));
                               }));
    } else {
      return plain<T>(p, plan, &Elementwise::divide, nullptr, [](T a, T b) { return a / b; });
    }
  });
}

Compute prepare_floor_div(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  return dispatch<float, int8_t, int16_t, int32_t>(p, p.input(0).dtype, [&](auto type) {
    using T = decltype(type);
    return divide_checked<T>(p, 0, map2<T, T, T>(plan, [](T a, T b) { return floor_divide(a, b); }));
  });
}

Compute prepare_maximum(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  return dispatch<float, Half, BFloat16, int8_t, uint8_t, int16_t, int32_t, int64_t>(
      p, p.input(0).dtype, [&](auto type) -> Compute {
        using T = decltype(type);
        if constexpr (!kIsShortFloat<T> && sizeof(T) <= 4) {
          if (Compute fast = fast_choice<T>(p, plan, &Elementwise::maximum, &Elementwise::maximum_int32,
                                            &Elementwise::Quantized::maximum))
            return fast;
        }
        return map2<T, T, T>(plan, computed_as_float<T>([](auto a, auto b) { return a > b ? a : b; }));
      });
}

Compute prepare_minimum(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  return dispatch<float, Half, BFloat16, int8_t, uint8_t, int16_t, int32_t, int64_t>(
      p, p.input(0).dtype, [&](auto type) -> Compute {
        using T = decltype(type);
        if constexpr (!kIsShortFloat<T> && sizeof(T) <= 4) {
          if (Compute fast = fast_choice<T>(p, plan, &Elementwise::minimum, &Elementwise::minimum_int32,
                                            &Elementwise::Quantized::minimum))
            return fast;
        }
        return map2<T, T, T>(plan, computed_as_float<T>([](auto a, auto b) { return a < b ? a : b; }));
      });
}

// TFLite has int8 only; int16 is as in its sister for microcontrollers.
template <typename T>
Compute quantized_squared_difference(Preparation& p, const Broadcast<2>& plan) {
  if constexpr (std::is_same_v<T, int16_t>) require_symmetric(p);
  // As many bits as leave room for the square.
  const CommonScale common = common_scale(p, sizeof(T) == 1 ? 7 : 0);
  const double scale = twice_larger_scale(p);
  const float unit = static_cast<float>(1 << 2 * common.left_shift) * p.output(0).scale();
  const QuantizedOutput output{quantize_multiplier(scale * scale / unit), p.output(0).zero_point(),
                               quantized_activation_range<T>(0, p.output(0).scale(), 0)};
  constexpr int kBits = 30;  // 255 or 65535 times half of 2^7 or 1, squared
  const auto function = &Elementwise::Quantized::squared_difference;
  if (Compute fast = fast_quantized_pairs<T>(p, plan, function, &common, output, kBits)) return fast;
  return map2<T, T, T>(plan, [scaled = tabulated<T>(common), output](T a, T b) {
    const int32_t difference = scaled.a(a) - scaled.b(b);
    return static_cast<T>(output(difference * difference));
  });
}

Compute prepare_squared_difference(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  return dispatch<float, int8_t, int16_t, int32_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    if constexpr (kIsSmall<T>)
      return quantized_squared_difference<T>(p, plan);
    else if (Compute fast =
                 fast_plain<T>(p, plan, &Elementwise::squared_difference, &Elementwise::squared_difference_int32, {}))
      return fast;
    else
      return map2<T, T, T>(plan, [](T a, T b) {
        const T difference = wrapping_subtract(a, b);
        return wrapping_multiply(difference, difference);
      });
  });
}

}  // namespace

void register_arithmetic(Registry& registry) {
  registry.add("ADD", prepare_add);
  registry.add("SUB", prepare_sub);
  registry.add("MUL", prepare_mul);
  registry.add("DIV", prepare_div);
  registry.add("FLOOR_DIV", prepare_floor_div);
  registry.add("MAXIMUM", prepare_maximum);
  registry.add("MINIMUM", prepare_minimum);
  registry.add("SQUARED_DIFFERENCE", prepare_squared_difference);
}

}  // namespace subgraft
