// STABLEHLO_ADD STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_MINIMUM STABLEHLO_AND STABLEHLO_OR STABLEHLO_SHIFT_LEFT.
#include <functional>

#include "kernels/dispatch.h"
#include "kernels/families.h"
#include "kernels/stablehlo_math.h"

namespace subgraft {
namespace {

using namespace stablehlo;

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

template <typename F>
Compute prepare_arithmetic(Preparation& p) {
  const int64_t count = prepare_pair(p);
  const DType dtype = p.input(0).dtype;
  if (dtype == DType::boolean) return pairwise<uint8_t>(count, OfTruths<F>());
  if (dtype == DType::float16) return pairwise<Half>(count, OfHalves<F>());
  return dispatch<float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(
      p, dtype, [&](auto type) -> Compute { return pairwise<decltype(type)>(count, F()); });
}

// And, or: bit by bit, of truths as one.
template <typename Truths, typename Bits>
Compute prepare_bits(Preparation& p) {
  const int64_t count = prepare_pair(p);
  const DType dtype = p.input(0).dtype;
  if (dtype == DType::boolean) return pairwise<uint8_t>(count, Truths());
  return dispatch<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(
      p, dtype, [&](auto type) -> Compute {
        using T = decltype(type);
        return pairwise<T>(count, [](T a, T b) { return static_cast<T>(Bits()(a, b)); });
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
  registry.add("STABLEHLO_AND", prepare_bits<And, std::bit_and<>>);
  registry.add("STABLEHLO_MAXIMUM", prepare_arithmetic<Maximum>);
  registry.add("STABLEHLO_MINIMUM", prepare_arithmetic<Minimum>);
  registry.add("STABLEHLO_MULTIPLY", prepare_arithmetic<Multiply>);
  registry.add("STABLEHLO_OR", prepare_bits<Or, std::bit_or<>>);
  registry.add("STABLEHLO_SHIFT_LEFT", prepare_shift_left);
}

}  // namespace subgraft
