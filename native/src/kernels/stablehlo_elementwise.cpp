// STABLEHLO_ADD STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_MINIMUM STABLEHLO_AND STABLEHLO_SHIFT_LEFT.
#include <type_traits>

#include "core/half.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"

namespace subgraft {
namespace {

// Two inputs of one type and shape, nothing is broadcast.
int64_t prepare_pair(Preparation& p) {
  p.expect(2, 1);
  const Operand &a = p.input(0), &b = p.input(1);
  p.require(a.dtype == b.dtype && a.dtype == p.output(0).dtype, "cannot compute ", dtype_name(p.output(0).dtype),
            " from ", dtype_name(a.dtype), " and ", dtype_name(b.dtype));
  p.require(a.shape == b.shape, "inputs have shapes ", a.shape.text(), " and ", b.shape.text());
  p.set_output(0, a.shape);
  p.share(0, 0);
  p.share(0, 1);
  return a.shape.elements();
}

template <typename T, typename F>
Compute pairwise(int64_t count, F f) {
  return [count, f](const Invocation& v) {
    const T *a = v.in<T>(0), *b = v.in<T>(1);
    T* out = v.out<T>(0);
    for (int64_t i = 0; i < count; ++i) out[i] = f(a[i], b[i]);
  };
}

// Integers wrap, which unsigned arithmetic of at least 32 bits does without undefined behaviour.
template <typename T, typename F>
T wrapped(F f, T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return f(a, b);
  using Unsigned = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  return static_cast<T>(f(static_cast<Unsigned>(a), static_cast<Unsigned>(b)));
}

struct Add {
  template <typename T>
  T operator()(T a, T b) const {
    return wrapped([](auto x, auto y) { return x + y; }, a, b);
  }
};
struct Multiply {
  template <typename T>
  T operator()(T a, T b) const {
    return wrapped([](auto x, auto y) { return x * y; }, a, b);
  }
};
// A NaN in the second place is not taken, one in the first is.
struct Maximum {
  template <typename T>
  T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};
struct Minimum {
  template <typename T>
  T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};

// Of truths, which a file may write as any byte: the sum and the larger are "or", the product and the smaller "and".
template <typename F>
constexpr bool kIsOr = std::is_same_v<F, Add> || std::is_same_v<F, Maximum>;

Compute truths(int64_t count, bool is_or) {
  return pairwise<uint8_t>(
      count, [is_or](uint8_t a, uint8_t b) -> uint8_t { return is_or ? (a != 0 || b != 0) : (a != 0 && b != 0); });
}

template <typename F>
Compute prepare_arithmetic(Preparation& p) {
  const int64_t count = prepare_pair(p);
  const DType dtype = p.input(0).dtype;
  if (dtype == DType::boolean) return truths(count, kIsOr<F>);
  if (dtype == DType::float16)
    return pairwise<Half>(count, [](Half a, Half b) { return to_half(F()(to_float(a), to_float(b))); });
  return dispatch<float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(
      p, dtype, [&](auto type) -> Compute { return pairwise<decltype(type)>(count, F()); });
}

Compute prepare_and(Preparation& p) {
  const int64_t count = prepare_pair(p);
  const DType dtype = p.input(0).dtype;
  if (dtype == DType::boolean) return truths(count, false);
  return dispatch<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(
      p, dtype, [&](auto type) -> Compute {
        using T = decltype(type);
        return pairwise<T>(count, [](T a, T b) { return static_cast<T>(a & b); });
      });
}

// A shift by the type's width or more gives 0, as StableHLO says; so does one by less than 0.
Compute prepare_shift_left(Preparation& p) {
  const int64_t count = prepare_pair(p);
  return dispatch<int8_t, int16_t, int32_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    return pairwise<T>(count, [](T a, T b) {
      const bool fits = b >= 0 && b < static_cast<T>(8 * sizeof(T));
      return fits ? static_cast<T>(static_cast<uint32_t>(a) << b) : T{0};
    });
  });
}

}  // namespace

void register_stablehlo_pairs(Registry& registry) {
  registry.add("STABLEHLO_ADD", prepare_arithmetic<Add>);
  registry.add("STABLEHLO_AND", prepare_and);
  registry.add("STABLEHLO_MAXIMUM", prepare_arithmetic<Maximum>);
  registry.add("STABLEHLO_MINIMUM", prepare_arithmetic<Minimum>);
  registry.add("STABLEHLO_MULTIPLY", prepare_arithmetic<Multiply>);
  registry.add("STABLEHLO_SHIFT_LEFT", prepare_shift_left);
}

}  // namespace subgraft
