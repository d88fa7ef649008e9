// POW, FLOOR_MOD, ATAN2 and ADD_N.
#include <algorithm>
#include <array>
#include <cmath>

#include "core/half.h"
#include "kernels/arithmetic_math.h"
#include "kernels/broadcast.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"

namespace subgraft {
namespace {

// Wraps around. TFLite computes with doubles, whose overflow has no meaning in an int32.
int32_t integer_power(int32_t base, int32_t exponent) {
  int32_t power = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) power = wrapping_multiply(power, base);
    base = wrapping_multiply(base, base);
  }
  return power;
}

Compute prepare_pow(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  if (p.input(0).dtype == DType::float32)
    return map2<float, float, float>(plan, [](float a, float b) { return std::pow(a, b); });
  if (p.input(0).dtype != DType::int32) p.unsupported("POW of ", dtype_name(p.input(0).dtype));
  Compute compute = map2<int32_t, int32_t, int32_t>(plan, integer_power);
  return [count = p.input(1).shape.elements(), compute = std::move(compute)](const Invocation& v) {
    const int32_t* exponents = v.in<int32_t>(1);
    for (int64_t i = 0; i < count; ++i)
      if (exponents[i] < 0)
        throw RunError(concat("element ", i, " of the exponents is ", exponents[i], "; int32 needs 0 or more"));
    compute(v);
  };
}

// The remainder has the sign of b.
template <typename T>
T floor_remainder(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    const T remainder = std::fmod(a, b);
    return remainder != 0 && (b < 0) != (remainder < 0) ? remainder + b : remainder;
  } else {
    if (b == -1) return 0;  // the processor cannot divide the minimum by it
    const T remainder = static_cast<T>(a % b);
    return static_cast<T>(remainder != 0 && (b < 0) != (remainder < 0) ? remainder + b : remainder);
  }
}

Compute prepare_floor_mod(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  return dispatch<float, int8_t, int16_t, int32_t, int64_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    Compute compute = map2<T, T, T>(plan, floor_remainder<T>);
    if (std::is_floating_point_v<T>) return compute;
    return [count = p.input(1).shape.elements(), compute = std::move(compute)](const Invocation& v) {
      const T* divisors = v.in<T>(1);
      for (int64_t i = 0; i < count; ++i)
        if (divisors[i] == 0) throw RunError(concat("division by zero: element ", i, " of the second input"));
      compute(v);
    };
  });
}

Compute prepare_atan2(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  return dispatch<float, double, Half, BFloat16>(p, p.input(0).dtype, [&](auto type) {
    using T = decltype(type);
    return map2<T, T, T>(plan, computed_as_float<T>([](auto y, auto x) { return std::atan2(y, x); }));
  });
}

// Sums in the order of the inputs. Blocks of them are added on the stack, as the output may be one of the inputs.
template <typename T>
void add_all(const Invocation& v, int inputs, int64_t begin, int64_t end) {
  std::array<T, 256> sums;
  while (begin < end) {
    const int64_t n = std::min<int64_t>(end - begin, sums.size());
    std::copy_n(v.in<T>(0) + begin, n, sums.begin());
    for (int i = 1; i < inputs; ++i) {
      const T* in = v.in<T>(i) + begin;
      for (int64_t k = 0; k < n; ++k) sums[k] = wrapping_add(sums[k], in[k]);
    }
    std::copy_n(sums.begin(), n, v.out<T>(0) + begin);
    begin += n;
  }
}

Compute prepare_add_n(Preparation& p) {
  const int inputs = p.inputs();
  p.require(inputs >= 1 && p.outputs() == 1, "has ", inputs, " inputs and ", p.outputs(), " outputs");
  const Operand& first = p.input(0);
  p.require(p.output(0).dtype == first.dtype, "inputs are ", dtype_name(first.dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  for (int i = 1; i < inputs; ++i)
    p.require(p.input(i).dtype == first.dtype && p.input(i).shape == first.shape, "input ", i, " is ",
              dtype_name(p.input(i).dtype), p.input(i).shape.text(), ", but input 0 is ", dtype_name(first.dtype),
              first.shape.text());
  p.set_output(0, first.shape);
  p.share(0, 0);
  return dispatch<float, int32_t>(p, first.dtype, [inputs, count = first.shape.elements()](auto type) -> Compute {
    using T = decltype(type);
    return [inputs, count](const Invocation& v) {
      v.parallel(count, kElementGrain, [&](int64_t begin, int64_t end) { add_all<T>(v, inputs, begin, end); });
    };
  });
}

}  // namespace

void register_more_arithmetic(Registry& registry) {
  registry.add("POW", prepare_pow);
  registry.add("FLOOR_MOD", prepare_floor_mod);
  registry.add("ATAN2", prepare_atan2);
  registry.add("ADD_N", prepare_add_n);
}

}  // namespace subgraft
