// EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, SELECT and SELECT_V2.
#include <algorithm>
#include <cstring>
#include <functional>

#include "core/half.h"
#include "core/strings.h"
#include "kernels/arithmetic_math.h"
#include "kernels/broadcast.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"

namespace subgraft {
namespace {

Broadcast<2> prepare_comparison(Preparation& p) {
  p.expect(2, 1);
  p.require(p.output(0).dtype == DType::boolean, "output must be bool, not ", dtype_name(p.output(0).dtype));
  return prepare_map2(p);
}

// Quantized numbers are compared as their real values times 256, rounded, as in TFLite.
template <typename T, typename F>
Compute compare_quantized(const Preparation& p, const Broadcast<2>& plan, F f) {
  CommonScale common;
  common.left_shift = 8;
  for (int i = 0; i < 2; ++i) {
    common.zero_point[i] = p.input(i).zero_point();
    common.multiplier[i] = quantize_multiplier(p.input(i).scale());
  }
  return map2<T, T, bool>(plan, [scaled = tabulated<T>(common), f](T a, T b) { return f(scaled.a(a), scaled.b(b)); });
}

// int16 has no scale in TFLite's orderings, only in its (in)equalities.
template <typename F>
Compute compare(const Preparation& p, const Broadcast<2>& plan, F f, bool scales_int16) {
  return dispatch<float, Half, BFloat16, int8_t, uint8_t, int16_t, int32_t, int64_t>(
      p, p.input(0).dtype, [&](auto type) -> Compute {
        using T = decltype(type);
        if constexpr (kIsShortFloat<T>) {
          return map2<T, T, bool>(plan, [f](T a, T b) { return f(to_float(a), to_float(b)); });
        } else {
          if constexpr (sizeof(T) <= 2) {
            if (p.input(0).is_quantized() && (sizeof(T) == 1 || scales_int16)) return compare_quantized<T>(p, plan, f);
          }
          return map2<T, T, bool>(plan, f);
        }
      });
}

template <typename F>
Compute prepare_ordering(Preparation& p) {
  const Broadcast<2> plan = prepare_comparison(p);
  return compare(p, plan, F(), false);
}

template <typename F>
Compute prepare_equality(Preparation& p) {
  const Broadcast<2> plan = prepare_comparison(p);
  // A file may hold any byte for true.
  if (p.input(0).dtype == DType::boolean)
    return map2<uint8_t, uint8_t, bool>(plan, [](uint8_t a, uint8_t b) { return F()(a != 0, b != 0); });
  if (p.input(0).dtype == DType::string)
    return map2<int64_t, int64_t, bool>(plan, [](int64_t a, int64_t b) { return F()(same_text(a, b), true); });
  return compare(p, plan, F(), true);
}

// Output elements are those of input 1 where input 0 is true, else those of input 2. T stands for any type of its size.
template <typename T>
Compute select(const Broadcast<3>& plan) {
  return [plan](const Invocation& v) {
    const uint8_t* condition = v.in<uint8_t>(0);  // a file may hold any byte for true
    const T *yes = v.in<T>(1), *no = v.in<T>(2);
    T* out = v.out<T>(0);
    v.parallel(plan.count(), kElementGrain, [&](int64_t begin, int64_t end) {
      plan.walk(begin, end, [&](int64_t at, const std::array<int64_t, 3>& in, int64_t n) {
        const uint8_t* c = condition + in[0];
        const T *a = yes + in[1], *b = no + in[2];
        T* z = out + at;
        const int64_t of_c = plan.repeats(0) ? 0 : 1, of_a = plan.repeats(1) ? 0 : 1, of_b = plan.repeats(2) ? 0 : 1;
        if (!of_c) {
          const T* from = *c ? a : b;
          if (*c ? of_a : of_b)
            std::memmove(z, from, static_cast<size_t>(n) * sizeof(T));  // may be the same memory
          else
            std::fill_n(z, n, *from);
        } else if (of_a && of_b) {
          for (int64_t i = 0; i < n; ++i) {
            const T if_true = a[i], if_false = b[i];  // loaded always, so that the loop has no branch
            z[i] = c[i] ? if_true : if_false;
          }
        } else {
          for (int64_t i = 0; i < n; ++i) z[i] = c[i * of_c] ? a[i * of_a] : b[i * of_b];
        }
      });
    });
  };
}

Compute select_by_size(Preparation& p, const Broadcast<3>& plan) {
  for (const int i : {1, 2})
    if (p.input(i).shape.elements() == plan.count()) p.share(0, i);
  switch (dtype_bits(p.input(1).dtype)) {
    case 8:
      return select<uint8_t>(plan);
    case 16:
      return select<uint16_t>(plan);
    case 32:
      return select<uint32_t>(plan);
    case 64:
      return select<uint64_t>(plan);
  }
  p.unsupported(p.name(), " of ", dtype_name(p.input(1).dtype));
}

void check_select(const Preparation& p) {
  p.expect(3, 1);
  const DType dtype = p.input(1).dtype;
  p.require(p.input(0).dtype == DType::boolean, "condition must be bool, not ", dtype_name(p.input(0).dtype));
  p.require(p.input(2).dtype == dtype && p.output(0).dtype == dtype, "cannot select from ", dtype_name(dtype), " and ",
            dtype_name(p.input(2).dtype), " into ", dtype_name(p.output(0).dtype));
}

// With one element everywhere, TFLite keeps the output's rank as the file has it.
Shape select_shape(const Preparation& p, const Shape& shape) {
  for (int i = 0; i < 3; ++i)
    if (p.input(i).shape.elements() != 1) return shape;
  return p.output(0).shape.elements() == 1 ? p.output(0).shape : shape;
}

// The condition has the shape of the values, or one element for all, or one for each index of their first dimension.
Compute prepare_select(Preparation& p) {
  check_select(p);
  const Shape &values = p.input(1).shape, &given = p.input(0).shape;
  const bool single = given.elements() == 1 && values.elements() == 1 && p.input(2).shape.elements() == 1;
  p.require(single || p.input(2).shape == values, "cannot select from shapes ", values.text(), " and ",
            p.input(2).shape.text());
  Shape condition = given;
  if (given.rank() == 1 && values.rank() > 1 && given[0] == values[0]) {
    std::array<int32_t, Shape::kMaxRank> dims;
    dims.fill(1);
    dims[0] = given[0];
    condition = Shape(std::span<const int32_t>(dims.data(), static_cast<size_t>(values.rank())));
  } else {
    p.require(single || given.rank() == 0 || given == values, "condition of shape ", given.text(),
              " does not fit values of shape ", values.text());
  }
  const Broadcast<3> plan({condition, values, p.input(2).shape});
  p.set_output(0, select_shape(p, values));
  return select_by_size(p, plan);
}

Compute prepare_select_v2(Preparation& p) {
  check_select(p);
  const Broadcast<3> plan({p.input(0).shape, p.input(1).shape, p.input(2).shape});
  p.set_output(0, select_shape(p, plan.shape()));
  return select_by_size(p, plan);
}

}  // namespace

void register_comparison(Registry& registry) {
  registry.add("EQUAL", prepare_equality<std::equal_to<>>);
  registry.add("NOT_EQUAL", prepare_equality<std::not_equal_to<>>);
  registry.add("LESS", prepare_ordering<std::less<>>);
  registry.add("LESS_EQUAL", prepare_ordering<std::less_equal<>>);
  registry.add("GREATER", prepare_ordering<std::greater<>>);
  registry.add("GREATER_EQUAL", prepare_ordering<std::greater_equal<>>);
  registry.add("SELECT", prepare_select);
  registry.add("SELECT_V2", prepare_select_v2);
}

}  // namespace subgraft
