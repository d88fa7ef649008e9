// lstm_steps.h for any instruction set, whose Shorts (kLanes numbers of 16 bits), Ints (half as many of 32 bits) and
// what they can do are included before.
#pragma once

#include <cstddef>

#include "micro/lstm_steps.h"

namespace subgraft {
namespace {

inline Shorts load_part(const int16_t* p, int64_t count) {
  int16_t values[kLanes] = {};
  __builtin_memcpy(values, p, static_cast<size_t>(count) * sizeof(int16_t));
  return load(values);
}
inline void store_part(int16_t* p, Shorts x, int64_t count) {
  int16_t values[kLanes];
  store(values, x);
  __builtin_memcpy(p, values, static_cast<size_t>(count) * sizeof(int16_t));
}

// Calls work(first, lanes) for vectors of `count` numbers; the last may have fewer.
template <typename Work>
inline void for_vectors(int64_t count, const Work& work) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) work(i, kLanes);
  if (i < count) work(i, count - i);
}
inline Shorts load_some(const int16_t* p, int64_t lanes) { return lanes == kLanes ? load(p) : load_part(p, lanes); }
inline void store_some(int16_t* p, Shorts x, int64_t lanes) {
  if (lanes == kLanes)
    store(p, x);
  else
    store_part(p, x, lanes);
}

inline Shorts doubled(Shorts a) { return add_saturated(a, a); }

template <int exponent>
inline Shorts rounding_shift_right(Shorts x) {
  const Shorts mask = all((1 << exponent) - 1);
  const Shorts threshold = subtract(all(((1 << exponent) - 1) >> 1), shift_right<15>(x));
  return subtract(shift_right<exponent>(x), greater(both(x, mask), threshold));
}

// fixed::constant<int16_t>.
constexpr int constant(int32_t value) { return (value >> 16) + ((value & 0xffff) > 0x7fff + (value < 0 ? 1 : 0)); }

inline Shorts exp_of_last_quarter(Shorts a) {
  const Shorts exp_of_minus_eighth = all(constant(1895147668));
  const Shorts x = add(a, all(1 << 12));
  const Shorts x2 = multiply(x, x), x3 = multiply(x2, x), x4 = multiply(x2, x2);
  const Shorts third = multiply(add(rounding_shift_right<2>(x4), x3), all(constant(715827883)));
  const Shorts higher = rounding_shift_right<1>(add(third, x2));
  return add_saturated(exp_of_minus_eighth, multiply(exp_of_minus_eighth, add(x, higher)));
}

template <int IntegerBits>
inline Shorts exp_of_negative(Shorts a) {
  constexpr int fraction = 15 - IntegerBits, quarter = 1 << (fraction - 2);
  const Shorts in_quarter = subtract(both(a, all(quarter - 1)), all(quarter));
  const Shorts quarters = subtract(in_quarter, a);
  Shorts result = exp_of_last_quarter(shift_left<IntegerBits>(in_quarter));
  constexpr int32_t powers[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  for (int i = 0; i < 7 && i - 2 < IntegerBits; ++i) {
    const Shorts bit = all(1 << (fraction - 2 + i));
    const Shorts is_set = equal(both(quarters, bit), bit);
    result = pick(is_set, multiply(result, all(constant(powers[i]))), result);
  }
  if constexpr (IntegerBits > 5) {
    const Shorts limit = all(constant(-(1 << (36 - IntegerBits))));
    result = pick(greater(limit, a), all(0), result);
  }
  return pick(equal(a, all(0)), all(INT16_MAX), result);
}

inline Shorts two_over_one_plus(Shorts a) {
  const Shorts one = all(1 << 13);
  const Shorts half_denominator = add(shift_right<1>(a), all(1 << 14));
  Shorts x = add(all(constant(1515870810)), multiply(half_denominator, all(constant(-1010580540))));
  for (int i = 0; i < 3; ++i) {
    const Shorts error = subtract(one, multiply(half_denominator, x));
    x = add(x, doubled(doubled(multiply(x, error))));
  }
  return x;
}

inline Shorts negative_of(Shorts a) { return pick(shift_right<15>(a), a, subtract(all(0), a)); }

template <int IntegerBits>
inline Shorts tanh_of(Shorts a) {
  const Shorts ratio = subtract(two_over_one_plus(exp_of_negative<IntegerBits + 1>(negative_of(a))), all(1 << 13));
  const Shorts result = doubled(doubled(ratio));
  const Shorts with_sign = pick(shift_right<15>(a), subtract(all(0), result), result);
  return pick(equal(a, all(0)), all(0), with_sign);
}

inline Shorts logistic_of(Shorts a) {
  const Shorts result = doubled(two_over_one_plus(exp_of_negative<3>(negative_of(a))));
  const Shorts with_sign = pick(shift_right<15>(a), subtract(all(INT16_MAX), result), result);
  return pick(equal(a, all(0)), all(1 << 14), with_sign);
}

template <int IntegerBits>
void tanh(const int16_t* in, int64_t count, int16_t* out) {
  for_vectors(count, [=](int64_t i, int64_t lanes) {
    store_some(out + i, tanh_of<IntegerBits>(load_some(in + i, lanes)), lanes);
  });
}

void logistic(const int16_t* in, int64_t count, int16_t* out) {
  for_vectors(count,
              [=](int64_t i, int64_t lanes) { store_some(out + i, logistic_of(load_some(in + i, lanes)), lanes); });
}

template <typename Work>
inline Halves each(Halves a, Halves b, const Work& work) {
  return {work(a.first, b.first), work(a.second, b.second)};
}
inline Halves products(Halves a, Halves b) {
  return each(a, b, [](Ints x, Ints y) { return times(x, y); });
}
inline Halves sums(Halves a, Halves b) {
  return each(a, b, [](Ints x, Ints y) { return plus(x, y); });
}

// Numbers that saturate 16 bits with any other of 16 bits added, so that the addition does not wrap around.
inline Ints scaled(Ints x, const Rescale& scale) {
  return max(min(rescale(x, scale), ints(1 << 20)), ints(-(1 << 20)));
}
inline Halves scaled(Halves x, const Rescale& scale) { return {scaled(x.first, scale), scaled(x.second, scale)}; }

void add_products(const int32_t* all_sums, int64_t count, int32_t multiplier, int32_t shift, const int16_t* others,
                  int16_t* out) {
  const Rescale scale = make_rescale(multiplier, shift);
  for_vectors(count, [&](int64_t i, int64_t lanes) {
    int32_t part[kLanes] = {};
    const int32_t* from = all_sums + i;
    if (lanes < kLanes) {
      __builtin_memcpy(part, from, static_cast<size_t>(lanes) * sizeof(int32_t));
      from = part;
    }
    const Halves x = {load(from), load(from + kLanes / 2)};
    store_some(out + i, saturated(sums(scaled(x, scale), widened(load_some(others + i, lanes)))), lanes);
  });
}

// Ties go away from zero.
inline Halves rounding_shift_right(Halves x, int exponent) {
  const Ints mask = ints((1 << exponent) - 1), half = ints(((1 << exponent) - 1) >> 1);
  const auto shifted = [&](Ints y) {
    const Ints up = greater(both(y, mask), minus(half, shift_right(y, 31)));
    return minus(shift_right(y, exponent), up);
  };
  return {shifted(x.first), shifted(x.second)};
}
// As numbers of 16 bits wrap around.
inline Halves wrapped(Halves x) { return {low_half(x.first), low_half(x.second)}; }

void update(const int16_t* input, const int16_t* forget, const int16_t* candidate, int64_t count, int shift,
            int16_t* cell) {
  for_vectors(count, [=](int64_t i, int64_t lanes) {
    const Shorts kept_part = load_some(forget + i, lanes);
    const Halves kept = rounding_shift_right(products(widened(kept_part), widened(load_some(cell + i, lanes))), 15);
    const Halves whole = {ints(INT16_MAX), ints(INT16_MAX)};
    const Halves share = input ? widened(load_some(input + i, lanes))
                               : each(whole, widened(kept_part), [](Ints x, Ints y) { return minus(x, y); });
    const Halves product = products(share, widened(load_some(candidate + i, lanes)));
    store_some(cell + i, saturated(sums(kept, wrapped(rounding_shift_right(product, shift)))), lanes);
  });
}

void hidden(const int16_t* gate, const int16_t* tanh, int64_t count, int32_t multiplier, int32_t shift,
            int32_t zero_point, int8_t* out) {
  const Rescale scale = make_rescale(multiplier, shift);
  const Ints zero = ints(zero_point);
  for_vectors(count, [&](int64_t i, int64_t lanes) {
    const Halves product = products(widened(load_some(gate + i, lanes)), widened(load_some(tanh + i, lanes)));
    const Shorts values = saturated(sums(scaled(product, scale), {zero, zero}));
    int8_t all_bytes[kLanes];
    store_bytes(lanes == kLanes ? out + i : all_bytes, values);
    if (lanes < kLanes) __builtin_memcpy(out + i, all_bytes, static_cast<size_t>(lanes));
  });
}

constexpr LstmSteps kSteps{
    logistic, {tanh<0>, tanh<1>, tanh<2>, tanh<3>, tanh<4>, tanh<5>, tanh<6>}, add_products, update, hidden};

}  // namespace
}  // namespace subgraft
