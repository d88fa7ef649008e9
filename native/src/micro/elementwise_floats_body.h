// Functions of one float; included after one of vector_*.h. Errors of the approximations are relative, infinities and
// NaN are as in the C library, and results do not depend on where in a vector an element lies.
#pragma once

#include "micro/elementwise.h"

namespace subgraft {
namespace {

template <typename Function>
void map_floats(const void* parameters, const void* in, void* out, int64_t n) {
  const Function f(parameters);
  const float* x = static_cast<const float*>(in);
  float* y = static_cast<float*>(out);
  int64_t i = 0;
#pragma GCC unroll 2
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(x + i)));
  if (i < n) store(y + i, f(load(x + i, n - i)), n - i);
}

struct WithoutParameters {
  explicit WithoutParameters(const void*) {}
};

// e^x = 2^n * (1 + p) for a whole n and a small p, both of x not over 2^8.
struct Power {
  Floats n, p;
};

// p is within 4e-9 of e^r - 1, relative to e^r, for the rest r that multiples of ln 2 leave: |r| <= 0.35.
inline Power power_of_e(Floats x) {
  const Floats n = round_to_even(x * 1.44269504f);
  const Floats r = fma(n, floats(1.90465430e-9f), fma(n, floats(-0.693147182f), x));
  Floats p = fma(floats(0x1.6dbc64p-10f), r, floats(0x1.124148p-7f));
  p = fma(p, r, floats(0x1.555454p-5f));
  p = fma(p, r, floats(0x1.555486p-3f));
  p = fma(p, r, floats(0.5f));
  return {n, fma(p * r, r, r)};
}

// 0 below the smallest denormal number, infinite above the largest number.
inline Floats exp(Floats x) {
  const Power power = power_of_e(min(floats(89.0f), max(floats(-105.0f), x)));
  return scale_by_power(power.p + 1.0f, power.n);
}

// e^x for x <= 0, 0 where it is no normal number: denormal ones take 30 times as long.
inline Floats normal_exp(Floats x) {
  const Floats least = floats(-87.33f);
  const Power power = power_of_e(max(least, x));
  const Floats scale = (Floats)((truncate(power.n) + 127) << 23);
  const Floats y = fma(scale, power.p, scale);
  return x < least ? floats(0) : y;
}

// e^x - 1 for x <= 0.
inline Floats exp_minus_one(Floats x) {
  const Power power = power_of_e(max(floats(-20.0f), x));
  const Floats scale = (Floats)((truncate(power.n) + 127) << 23);
  return fma(scale, power.p, scale - 1.0f);
}

struct Exp : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const { return exp(x); }
};

// e^-|x| does not overflow; of negative numbers 1 / (1 + e^-x) is e^x / (1 + e^x).
inline Floats logistic(Floats x) {
  const Floats power = normal_exp(-abs(x)), one = floats(1);
  return (x < 0.0f ? power : one) / (one + power);
}

struct Logistic : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const { return logistic(x); }
};

// (1 - e^-2|x|) / (1 + e^-2|x|)
struct Tanh : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const {
    const Floats power_minus_one = exp_minus_one(abs(x) * -2.0f);
    return copy_sign(power_minus_one / (power_minus_one + 2.0f), x);
  }
};

struct Elu : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const {
    const Floats below = exp_minus_one(x);
    return x < 0.0f ? below : x;
  }
};

// The mantissa in [sqrt(1/2), sqrt(2)) is 1 + f, with ln(1 + f) = f - f^2 / 2 + f^3 * p(f) within 4e-8.
struct Log : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const {
    const Floats smallest_normal = floats(0x1p-126f);
    const Floats normal = x < smallest_normal ? x * 0x1p23f : x;
    const Floats less = x < smallest_normal ? floats(23) : floats(0);
    const Ints bits = (Ints)normal, exponent = (bits - 0x3f3504f3) >> 23;
    const Floats n = to_floats(exponent) - less, f = (Floats)(bits - (exponent << 23)) - 1.0f;
    Floats p = fma(floats(0x1.645de2p-4f), f, floats(-0x1.2432aap-3f));
    p = fma(p, f, floats(0x1.317470p-3f));
    p = fma(p, f, floats(-0x1.53824cp-3f));
    p = fma(p, f, floats(0x1.98d7f0p-3f));
    p = fma(p, f, floats(-0x1.000382p-2f));
    p = fma(p, f, floats(0x1.5556d8p-2f));
    const Floats rest = fma(f * f, fma(f, p, floats(-0.5f)), n * -1.90465430e-9f);
    const Floats y = fma(n, floats(0.693147182f), f + rest);
    const Floats infinity = floats(__builtin_inff());
    const Floats of_others = x == 0.0f ? -infinity : floats(__builtin_nanf(""));
    return x > 0.0f ? (x < infinity ? y : x) : of_others;
  }
};

// x * (1 + erf(x / sqrt(2))) / 2 is max(x, 0) - |x| * erfc(u) / 2 of u = |x| / sqrt(2), and erfc(u) is
// e^(-u^2) * t * p(t), t = 1 / (1 + 0.4 u), within 7e-8. Sizes over 13.2 have powers that
// are no normal numbers, and count as 13.2.
struct Gelu : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const {
    const Floats size = min(floats(13.2f), abs(x));
    const Power power = power_of_e(size * size * -0.5f);
    const Floats scale = (Floats)((truncate(power.n) + 126) << 23);  // with the half
    const Floats t = 1.0f / fma(size, floats(0.282842712f), floats(1));
    Floats p = fma(floats(0.04178625768647449f), t, floats(-0.1429294664356241f));
    p = fma(p, t, floats(0.08941868082227339f));
    p = fma(p, t, floats(0.0817065913950451f));
    p = fma(p, t, floats(0.08411041224233545f));
    p = fma(p, t, floats(0.19152540624643102f));
    p = fma(p, t, floats(0.20236868727460977f));
    p = fma(p, t, floats(0.22637526014940393f));
    p = fma(p, t, floats(0.22563823481644962f));
    const Floats half_erfc = fma(scale, power.p, scale) * (p * t);
    return fma(-size, half_erfc, x > 0.0f ? x : x * 0.0f);  // NaN of -infinity, as in the reference
  }
};

// x * (1 + tanh(k * (x + 0.044715 * x^3))) / 2 is x * logistic(2 * k * ...).
struct GeluByTanh : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const {
    constexpr float twice_sqrt_2_over_pi = 1.59576912160573071176f;
    return x * logistic(twice_sqrt_2_over_pi * fma(x * x, x * 0.044715f, x));
  }
};

struct HardSwish : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const { return x * min(floats(6), max(floats(0), x + 3.0f)) * (1.0f / 6); }
};

struct Abs : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const { return abs(x); }
};
struct Negate : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const { return -x; }
};
struct Sqrt : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const { return sqrt(x); }
};
struct InverseSqrt : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const { return 1.0f / sqrt(x); }
};
struct Square : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const { return x * x; }
};
struct RoundDown : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const { return round_down(x); }
};
struct RoundUp : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const { return round_up(x); }
};
struct RoundToEven : WithoutParameters {
  using WithoutParameters::WithoutParameters;
  Floats operator()(Floats x) const { return round_to_even(x); }
};

struct Clamp {
  explicit Clamp(const void* parameters)
      : low(floats(static_cast<const FloatRange*>(parameters)->low)),
        high(floats(static_cast<const FloatRange*>(parameters)->high)) {}
  Floats operator()(Floats x) const { return min(high, max(low, x)); }  // this order keeps NaN
  Floats low, high;
};

struct LeakyRelu {
  explicit LeakyRelu(const void* parameters) : slope(floats(*static_cast<const float*>(parameters))) {}
  Floats operator()(Floats x) const { return x > 0.0f ? x : x * slope; }
  Floats slope;
};

}  // namespace
}  // namespace subgraft
