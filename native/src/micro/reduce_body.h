// Reductions along one dimension; included after one of vector_*.h.
#pragma once

#include "micro/reduce.h"
#include "micro/scaling_body.h"

namespace subgraft {
namespace {

// A step has the type T of elements in memory, the lanes it accumulates, where they begin, how one more element or
// another accumulator joins them, and what becomes of them in the end.
template <typename Step>
struct Along {
  using T = typename Step::T;
  using Lanes = typename Step::Lanes;

  static constexpr ReduceFunctions functions() { return {rows, columns}; }

  static void rows(const void* parameters, const void* in, void* out, const Reduced& reduced) {
    const Step step(parameters);
    const T* row = static_cast<const T*>(in);
    T* results = static_cast<T*>(out);
    typename Step::Element ends[kLanes];
    for (int64_t r = 0; r < reduced.count; ++r, row += reduced.step) {
      ends[r % kLanes] = all_lanes(step, along_row(step, row, reduced.n))[0];
      const int64_t done = r % kLanes + 1;
      if (done == kLanes)
        store(results + r + 1 - done, step.finish(load(ends)));
      else if (r + 1 == reduced.count)
        store(results + r + 1 - done, step.finish(load(ends, done)), done);
    }
  }

  static void columns(const void* parameters, const void* in, void* out, const Reduced& reduced) {
    const Step step(parameters);
    const T* column = static_cast<const T*>(in);
    T* results = static_cast<T*>(out);
    int64_t c = 0;
    for (; c + 4 * kLanes <= reduced.count; c += 4 * kLanes) four_columns(step, column + c, results + c, reduced);
    for (; c < reduced.count; c += kLanes) {
      const int64_t left = reduced.count - c;
      const Lanes sums = down_column(step, column + c, left < kLanes ? left : kLanes, reduced);
      if (left < kLanes)
        store(results + c, step.finish(sums), left);
      else
        store(results + c, step.finish(sums));
    }
  }

 private:
  static Lanes along_row(const Step& step, const T* row, int64_t n) {
    Lanes a = step.initial(), b = a, c = a, d = a;
    int64_t i = 0;
    for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
      a = step(a, load(row + i));
      b = step(b, load(row + i + kLanes));
      c = step(c, load(row + i + 2 * kLanes));
      d = step(d, load(row + i + 3 * kLanes));
    }
    for (; i + kLanes <= n; i += kLanes) a = step(a, load(row + i));
    if (i < n) b = step.only(n - i, b, load(row + i, n - i));
    return step.join(step.join(a, b), step.join(c, d));
  }

  static Lanes all_lanes(const Step& step, Lanes x) {
    if constexpr (kLanes >= 16) x = step.join(x, exchange<8>(x));
    if constexpr (kLanes >= 8) x = step.join(x, exchange<4>(x));
    x = step.join(x, exchange<2>(x));
    return step.join(x, exchange<1>(x));
  }

  static void four_columns(const Step& step, const T* column, T* results, const Reduced& reduced) {
    Lanes a = step.initial(), b = a, c = a, d = a;
    for (int64_t i = 0; i < reduced.n; ++i, column += reduced.step) {
      a = step(a, load(column));
      b = step(b, load(column + kLanes));
      c = step(c, load(column + 2 * kLanes));
      d = step(d, load(column + 3 * kLanes));
    }
    store(results, step.finish(a));
    store(results + kLanes, step.finish(b));
    store(results + 2 * kLanes, step.finish(c));
    store(results + 3 * kLanes, step.finish(d));
  }

  static Lanes down_column(const Step& step, const T* column, int64_t width, const Reduced& reduced) {
    Lanes sums = step.initial();
    for (int64_t i = 0; i < reduced.n; ++i, column += reduced.step)
      sums = step(sums, width < kLanes ? load(column, width) : load(column));
    return sums;
  }
};

// What lanes hold that no element is in adds nothing.
struct SumOfFloats {
  using T = float;
  using Element = float;
  using Lanes = Floats;
  explicit SumOfFloats(const void* parameters) : divisor(floats(*static_cast<const float*>(parameters))) {}
  static Floats initial() { return floats(0); }
  Floats operator()(Floats sum, Floats x) const { return sum + x; }
  static Floats only(int64_t, Floats sum, Floats x) { return sum + x; }
  static Floats join(Floats a, Floats b) { return a + b; }
  Floats finish(Floats sum) const { return sum / divisor; }
  Floats divisor;
};

struct SumOfInts {
  using T = int32_t;
  using Element = int32_t;
  using Lanes = Ints;
  explicit SumOfInts(const void*) {}
  static Ints initial() { return ints(0); }
  Ints operator()(Ints sum, Ints x) const { return (Ints)((Words)sum + (Words)x); }
  static Ints only(int64_t, Ints sum, Ints x) { return (Ints)((Words)sum + (Words)x); }
  static Ints join(Ints a, Ints b) { return (Ints)((Words)a + (Words)b); }
  static Ints finish(Ints sum) { return sum; }
};

template <typename Type>
struct QuantizedSum {
  using T = Type;
  using Element = int32_t;
  using Lanes = Ints;
  explicit QuantizedSum(const void* parameters) : QuantizedSum(*static_cast<const QuantizedReduction*>(parameters)) {}
  explicit QuantizedSum(const QuantizedReduction& reduction)
      : offset(ints(reduction.offset)), output(reduction.scaling, reduction.zero_point, reduction.range) {}
  static Ints initial() { return ints(0); }
  Ints operator()(Ints sum, Ints x) const { return sum + x; }
  static Ints only(int64_t, Ints sum, Ints x) { return sum + x; }
  static Ints join(Ints a, Ints b) { return a + b; }
  Ints finish(Ints sum) const { return output(sum - offset); }
  Ints offset;
  OutputScale output;
};

template <typename T>
struct TypesOf {
  using Element = int32_t;
  using Lanes = Ints;
};
template <>
struct TypesOf<float> {
  using Element = float;
  using Lanes = Floats;
};

inline Floats lanes_of(float x) { return floats(x); }
inline Ints lanes_of(int32_t x) { return ints(x); }

// x takes the place of the best where it beats it, which no NaN does and a NaN that came first does not allow.
template <typename Type, bool is_maximum>
struct Extreme {
  using T = Type;
  using Element = typename TypesOf<T>::Element;
  using Lanes = typename TypesOf<T>::Lanes;
  explicit Extreme(const void* parameters) : first(lanes_of(*static_cast<const Element*>(parameters))) {}
  Lanes initial() const { return first; }
  Lanes operator()(Lanes best, Lanes x) const { return join(best, x); }
  Lanes only(int64_t n, Lanes best, Lanes x) const {
    Element present[kLanes];
    store(present, best);
    Element others[kLanes];
    store(others, x);
    for (int64_t i = 0; i < n; ++i) present[i] = others[i];
    return join(best, load(present));
  }
  static Lanes join(Lanes best, Lanes x) { return is_maximum ? max(x, best) : min(x, best); }
  static Lanes finish(Lanes best) { return best; }
  Lanes first;
};

// x / max(|x|, 1e-6)
inline void normalize(const void*, const void* in, void* out, const Reduced& reduced) {
  const float* x = static_cast<const float*>(in);
  float* y = static_cast<float*>(out);
  const int64_t n = reduced.n;
  for (int64_t r = 0; r < reduced.count; ++r, x += reduced.step, y += reduced.step) {
    Floats squares = floats(0), more = squares;
    int64_t i = 0;
    for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
      const Floats a = load(x + i), b = load(x + i + kLanes);
      squares = fma(a, a, squares);
      more = fma(b, b, more);
    }
    for (; i < n; i += kLanes) {
      const Floats a = n - i < kLanes ? load(x + i, n - i) : load(x + i);
      squares = fma(a, a, squares);
    }
    squares += more;
    if constexpr (kLanes >= 16) squares += exchange<8>(squares);
    if constexpr (kLanes >= 8) squares += exchange<4>(squares);
    squares += exchange<2>(squares);
    squares += exchange<1>(squares);
    const Floats root = sqrt(squares), least = floats(1e-6f);
    const Floats norm = root < least ? least : root;  // NaN stays
    for (i = 0; i + kLanes <= n; i += kLanes) store(y + i, load(x + i) / norm);
    if (i < n) store(y + i, load(x + i, n - i) / norm, n - i);
  }
}

constexpr Reductions reductions_table() {
  Reductions t{};
  t.sum = Along<SumOfFloats>::functions();
  t.maximum = Along<Extreme<float, true>>::functions();
  t.minimum = Along<Extreme<float, false>>::functions();
  t.maximum_int8 = Along<Extreme<int8_t, true>>::functions();
  t.minimum_int8 = Along<Extreme<int8_t, false>>::functions();
  t.maximum_uint8 = Along<Extreme<uint8_t, true>>::functions();
  t.minimum_uint8 = Along<Extreme<uint8_t, false>>::functions();
  t.maximum_int16 = Along<Extreme<int16_t, true>>::functions();
  t.minimum_int16 = Along<Extreme<int16_t, false>>::functions();
  t.maximum_int32 = Along<Extreme<int32_t, true>>::functions();
  t.minimum_int32 = Along<Extreme<int32_t, false>>::functions();
  t.sum_int8 = Along<QuantizedSum<int8_t>>::functions();
  t.sum_uint8 = Along<QuantizedSum<uint8_t>>::functions();
  t.sum_int16 = Along<QuantizedSum<int16_t>>::functions();
  t.sum_int32 = Along<SumOfInts>::functions();
  t.normalize = normalize;
  return t;
}

}  // namespace
}  // namespace subgraft
