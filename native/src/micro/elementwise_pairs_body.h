// Arithmetic of two inputs; included after one of vector_*.h.
#pragma once

#include "micro/elementwise.h"

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

// int32 wraps around: lanes without a sign do so by definition.
typedef uint32_t Words __attribute__((vector_size(sizeof(Ints))));

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

// x / 2^shift, ties away from zero, where x is far enough from the largest number.
inline Ints rounding_shift_right(Ints x, int32_t shift) {
  if (shift == 0) return x;
  return (x + (x >> 31) + ints(1 << (shift - 1))) >> shift;
}

// One input of 16 bits at most, with `bits` more bits, on the common scale.
template <int bits>
class InputScale {
 public:
  InputScale(Scaling scaling, int32_t zero_point)
      : zero_(ints(zero_point)),
        high_(ints(upper(scaling.multiplier))),
        low_(ints(scaling.multiplier - upper(scaling.multiplier) * 65536)),
        right_(scaling.right),
        is_half_(scaling.multiplier == 1 << 30 && scaling.right == 0) {}

  // (x * 2^bits * multiplier + 2^30) >> 31 from products of 16 bits, then the right shift.
  Ints operator()(Ints x) const {
    const Ints difference = x - zero_;
    if (is_half_) return bits > 0 ? difference << (bits > 0 ? bits - 1 : 0) : halved(difference);
    const Ints high = multiply_16_bits(difference, high_), low = multiply_16_bits(difference, low_);
    constexpr int drop = 31 - bits;
    Ints product;
    if constexpr (drop <= 16)
      product = (high << (16 - drop)) + ((low + (1 << (drop - 1))) >> drop);
    else
      product = (high + (1 << (drop - 17)) + (low >> 16)) >> (drop - 16);
    return rounding_shift_right(product, right_);
  }

 private:
  static int32_t upper(int32_t multiplier) { return (multiplier + 0x8000) >> 16; }
  static Ints halved(Ints x) { return (x + 1) >> 1; }

  Ints zero_, high_, low_;
  int32_t right_;
  bool is_half_;
};

class OutputScale {
 public:
  explicit OutputScale(const QuantizedPair& pair)
      : multiplier_(ints(pair.output.multiplier)),
        zero_(ints(pair.output_zero_point)),
        low_(ints(pair.range.low)),
        high_(ints(pair.range.high)),
        left_(pair.output.left),
        right_(pair.output.right) {}

  Ints operator()(Ints x) const {
    const Ints scaled = rounding_shift_right(doubling_high_multiply(x << left_, multiplier_), right_);
    return min(max(scaled + zero_, low_), high_);
  }

 private:
  Ints multiplier_, zero_, low_, high_;
  int32_t left_, right_;
};

template <typename T, int bits>
struct OnCommonScale : Plain<T> {
  explicit OnCommonScale(const void* parameters) : OnCommonScale(*static_cast<const QuantizedPair*>(parameters)) {}
  explicit OnCommonScale(const QuantizedPair& pair)
      : a(pair.input[0], pair.zero_point[0]), b(pair.input[1], pair.zero_point[1]), output(pair) {}
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
      : a(ints(pair.zero_point[0])), b(ints(pair.zero_point[1])), output(pair) {}
  Ints first(Ints x) const { return x - a; }
  Ints second(Ints x) const { return x - b; }
  Ints operator()(Ints x, Ints y) const { return output(multiply_16_bits(x, y)); }
  Ints a, b;
  OutputScale output;
};

template <typename T>
constexpr Elementwise::Quantized quantized_functions() {
  return {Pairs<QuantizedAdd<T>>::functions(),      Pairs<QuantizedSubtract<T>>::functions(),
          Pairs<QuantizedMultiply<T>>::functions(), Pairs<QuantizedSquaredDifference<T>>::functions(),
          Pairs<Maximum<T>>::functions(),           Pairs<Minimum<T>>::functions()};
}

}  // namespace
}  // namespace subgraft
