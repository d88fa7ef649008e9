// Arithmetic of two inputs; included after one of vector_*.h.
#pragma once

#include "micro/elementwise.h"
#include "micro/elementwise_tables_body.h"
#include "micro/scaling_body.h"

namespace subgraft {
namespace {

// An operation has the types A, B and Out of elements in memory, is made from its parameters, brings lanes of each
// input into its own form (first, second), which is done once where an input repeats, and combines them.
template <typename Operation>
class Pairs {
  using A = typename Operation::A;
  using B = typename Operation::B;
  using Out = typename Operation::Out;

 public:
  static constexpr PairFunctions functions() { return {both, b_repeats, a_repeats}; }

 private:
  static void both(const void* parameters, const void* a, const void* b, void* out, const PairRows& rows) {
    const Operation f(parameters);
    const A* x = static_cast<const A*>(a);
    const B* y = static_cast<const B*>(b);
    Out* z = static_cast<Out*>(out);
    for (int64_t r = 0; r < rows.rows; ++r, x += rows.a_step, y += rows.b_step, z += rows.n) {
      int64_t i = 0;
#pragma GCC unroll 2
      for (; i + kLanes <= rows.n; i += kLanes) store(z + i, f(f.first(load(x + i)), f.second(load(y + i))));
      if (const int64_t left = rows.n - i; left > 0)
        store(z + i, f(f.first(load(x + i, left)), f.second(load(y + i, left))), left);
    }
  }

  static void b_repeats(const void* parameters, const void* a, const void* b, void* out, const PairRows& rows) {
    const Operation f(parameters);
    const A* x = static_cast<const A*>(a);
    const B* y = static_cast<const B*>(b);
    Out* z = static_cast<Out*>(out);
    for (int64_t r = 0; r < rows.rows; ++r, x += rows.a_step, y += rows.b_step, z += rows.n) {
      const auto second = f.second(spread(*y));
      int64_t i = 0;
#pragma GCC unroll 2
      for (; i + kLanes <= rows.n; i += kLanes) store(z + i, f(f.first(load(x + i)), second));
      if (const int64_t left = rows.n - i; left > 0) store(z + i, f(f.first(load(x + i, left)), second), left);
    }
  }

  static void a_repeats(const void* parameters, const void* a, const void* b, void* out, const PairRows& rows) {
    const Operation f(parameters);
    const A* x = static_cast<const A*>(a);
    const B* y = static_cast<const B*>(b);
    Out* z = static_cast<Out*>(out);
    for (int64_t r = 0; r < rows.rows; ++r, x += rows.a_step, y += rows.b_step, z += rows.n) {
      const auto first = f.first(spread(*x));
      int64_t i = 0;
#pragma GCC unroll 2
      for (; i + kLanes <= rows.n; i += kLanes) store(z + i, f(first, f.second(load(y + i))));
      if (const int64_t left = rows.n - i; left > 0) store(z + i, f(first, f.second(load(y + i, left))), left);
    }
  }

  static Floats spread(float x) { return floats(x); }
  static Ints spread(int32_t x) { return ints(x); }
};

// Both inputs and the output of one type, taken as they are.
template <typename T>
struct Plain {
  using A = T;
  using B = T;
  using Out = T;
  template <typename Lanes>
  static Lanes first(Lanes x) {
    return x;
  }
  template <typename Lanes>
  static Lanes second(Lanes x) {
    return x;
  }
};

struct ClampedFloats : Plain<float> {
  explicit ClampedFloats(const void* parameters)
      : low(floats(static_cast<const FloatRange*>(parameters)->low)),
        high(floats(static_cast<const FloatRange*>(parameters)->high)) {}
  Floats clamp(Floats x) const { return min(high, max(low, x)); }  // this order keeps NaN
  Floats low, high;
};

struct Add : ClampedFloats {
  using ClampedFloats::ClampedFloats;
  Floats operator()(Floats a, Floats b) const { return clamp(a + b); }
};
struct Subtract : ClampedFloats {
  using ClampedFloats::ClampedFloats;
  Floats operator()(Floats a, Floats b) const { return clamp(a - b); }
};
struct Multiply : ClampedFloats {
  using ClampedFloats::ClampedFloats;
  Floats operator()(Floats a, Floats b) const { return clamp(a * b); }
};
struct Divide : ClampedFloats {
  using ClampedFloats::ClampedFloats;
  Floats operator()(Floats a, Floats b) const { return clamp(a / b); }
};
struct SquaredDifference : Plain<float> {
  explicit SquaredDifference(const void*) {}
  Floats operator()(Floats a, Floats b) const { return (a - b) * (a - b); }
};
// A NaN slope makes NaN of negative inputs only.
struct Prelu : Plain<float> {
  explicit Prelu(const void*) {}
  Floats operator()(Floats x, Floats slope) const { return x >= 0.0f ? x : x * slope; }
};

template <typename T>
struct Maximum : Plain<T> {
  explicit Maximum(const void*) {}
  template <typename Lanes>
  Lanes operator()(Lanes a, Lanes b) const {
    return max(a, b);
  }
};
template <typename T>
struct Minimum : Plain<T> {
  explicit Minimum(const void*) {}
  template <typename Lanes>
  Lanes operator()(Lanes a, Lanes b) const {
    return min(a, b);
  }
};

struct ClampedInts : Plain<int32_t> {
  explicit ClampedInts(const void* parameters)
      : low(ints(static_cast<const IntRange*>(parameters)->low)),
        high(ints(static_cast<const IntRange*>(parameters)->high)) {}
  Ints clamp(Words x) const { return min(max((Ints)x, low), high); }
  Ints low, high;
};
struct AddInts : ClampedInts {
  using ClampedInts::ClampedInts;
  Ints operator()(Ints a, Ints b) const { return clamp((Words)a + (Words)b); }
};
struct SubtractInts : ClampedInts {
  using ClampedInts::ClampedInts;
  Ints operator()(Ints a, Ints b) const { return clamp((Words)a - (Words)b); }
};
struct MultiplyInts : ClampedInts {
  using ClampedInts::ClampedInts;
  Ints operator()(Ints a, Ints b) const { return clamp((Words)a * (Words)b); }
};
struct SquaredDifferenceOfInts : Plain<int32_t> {
  explicit SquaredDifferenceOfInts(const void*) {}
  Ints operator()(Ints a, Ints b) const {
    const Words difference = (Words)a - (Words)b;
    return (Ints)(difference * difference);
  }
};

inline OutputScale output_scale(const QuantizedPair& pair) { return {pair.output, pair.output_zero_point, pair.range}; }

template <typename T, int bits>
struct OnCommonScale : Plain<T> {
  explicit OnCommonScale(const void* parameters) : OnCommonScale(*static_cast<const QuantizedPair*>(parameters)) {}
  explicit OnCommonScale(const QuantizedPair& pair)
      : a(pair.input[0], pair.zero_point[0]), b(pair.input[1], pair.zero_point[1]), output(output_scale(pair)) {}
  Ints first(Ints x) const { return a(x); }
  Ints second(Ints x) const { return b(x); }
  InputScale<bits> a, b;
  OutputScale output;
};

template <typename T>
inline constexpr int kSumBits = sizeof(T) == 1 ? kSumBitsOf8 : kSumBitsOf16;
template <typename T>
inline constexpr int kDifferenceBits = sizeof(T) == 1 ? kDifferenceBitsOf8 : kDifferenceBitsOf16;

template <typename T>
struct QuantizedAdd : OnCommonScale<T, kSumBits<T>> {
  using OnCommonScale<T, kSumBits<T>>::OnCommonScale;
  Ints operator()(Ints a, Ints b) const { return this->output(a + b); }
};
template <typename T>
struct QuantizedSubtract : OnCommonScale<T, kSumBits<T>> {
  using OnCommonScale<T, kSumBits<T>>::OnCommonScale;
  Ints operator()(Ints a, Ints b) const { return this->output(a - b); }
};
template <typename T>
struct QuantizedSquaredDifference : OnCommonScale<T, kDifferenceBits<T>> {
  using OnCommonScale<T, kDifferenceBits<T>>::OnCommonScale;
  Ints operator()(Ints a, Ints b) const { return this->output(square(a - b)); }
  // Two bytes differ by no more than 16 bits hold, two int16 by one bit more.
  static Ints square(Ints x) { return sizeof(T) == 1 ? multiply_16_bits(x, x) : x * x; }
};
template <typename T>
struct QuantizedMultiply : Plain<T> {
  explicit QuantizedMultiply(const void* parameters)
      : QuantizedMultiply(*static_cast<const QuantizedPair*>(parameters)) {}
  explicit QuantizedMultiply(const QuantizedPair& pair)
      : a(ints(pair.zero_point[0])), b(ints(pair.zero_point[1])), output(output_scale(pair)) {}
  Ints first(Ints x) const { return x - a; }
  Ints second(Ints x) const { return x - b; }
  Ints operator()(Ints x, Ints y) const { return output(multiply_16_bits(x, y)); }
  Ints a, b;
  OutputScale output;
};

template <typename T>
struct FloatSum : Plain<T> {
  explicit FloatSum(const void* parameters) : FloatSum(*static_cast<const FloatPair*>(parameters)) {}
  explicit FloatSum(const FloatPair& pair)
      : factor{floats(pair.factor[0]), floats(pair.factor[1])},
        zero{ints(pair.zero_point[0]), ints(pair.zero_point[1])},
        output_zero(ints(pair.output_zero_point)),
        low(ints(pair.range.low)),
        high(ints(pair.range.high)) {}
  Floats first(Ints x) const { return to_floats(x - zero[0]); }
  Floats second(Ints x) const { return to_floats(x - zero[1]) * factor[1]; }
  Ints operator()(Floats a, Floats b) const { return min(max(nearest(fma(a, factor[0], b)) + output_zero, low), high); }
  Floats factor[2];
  Ints zero[2], output_zero, low, high;
};

template <typename T>
struct QuantizedPreluOf : Plain<T> {
  explicit QuantizedPreluOf(const void* parameters)
      : QuantizedPreluOf(*static_cast<const QuantizedPrelu*>(parameters)) {}
  explicit QuantizedPreluOf(const QuantizedPrelu& prelu)
      : zero{ints(prelu.zero_point[0]), ints(prelu.zero_point[1])},
        positive(prelu.positive, prelu.output_zero_point, prelu.range),
        negative(prelu.negative, prelu.output_zero_point, prelu.range) {}
  Ints first(Ints x) const { return x - zero[0]; }
  Ints second(Ints x) const { return x - zero[1]; }
  Ints operator()(Ints x, Ints slope) const { return x >= 0 ? positive(x) : negative(multiply_16_bits(x, slope)); }
  Ints zero[2];
  OutputScale positive, negative;
};

template <typename T>
constexpr Elementwise::Quantized quantized_functions() {
  return {Pairs<QuantizedAdd<T>>::functions(),
          Pairs<QuantizedSubtract<T>>::functions(),
          Pairs<QuantizedMultiply<T>>::functions(),
          Pairs<QuantizedSquaredDifference<T>>::functions(),
          Pairs<Maximum<T>>::functions(),
          Pairs<Minimum<T>>::functions(),
          Pairs<FloatSum<T>>::functions(),
          Pairs<QuantizedPreluOf<T>>::functions(),
          rescale<T, int8_t>,
          rescale<T, int16_t>};
}

}  // namespace
}  // namespace subgraft
