// Sixteen numbers of 16 bits at once: vpmulhrsw is gemmlowp's product.
#include "micro/lstm_steps.h"
#include "micro/requantize_avx2.h"

namespace subgraft {
namespace {

using Shorts = __m256i;
constexpr int64_t kLanes = 16;

inline Shorts all(int value) { return _mm256_set1_epi16(static_cast<int16_t>(value)); }
inline Shorts load(const int16_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
inline Shorts load_part(const int16_t* p, int64_t count) {
  int16_t values[kLanes] = {};
  __builtin_memcpy(values, p, static_cast<size_t>(count) * sizeof(int16_t));
  return load(values);
}
inline void store(int16_t* p, Shorts x) { _mm256_storeu_si256((__m256i*)p, x); }
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

inline Shorts add(Shorts a, Shorts b) { return _mm256_add_epi16(a, b); }
inline Shorts subtract(Shorts a, Shorts b) { return _mm256_sub_epi16(a, b); }
inline Shorts multiply(Shorts a, Shorts b) { return _mm256_mulhrs_epi16(a, b); }  // not for twice the least number
inline Shorts doubled(Shorts a) { return _mm256_adds_epi16(a, a); }               // saturated
inline Shorts pick(Shorts mask, Shorts a, Shorts b) { return _mm256_blendv_epi8(b, a, mask); }

template <int exponent>
inline Shorts rounding_shift_right(Shorts x) {
  const Shorts mask = all((1 << exponent) - 1);
  const Shorts threshold = subtract(all(((1 << exponent) - 1) >> 1), _mm256_srai_epi16(x, 15));
  return subtract(_mm256_srai_epi16(x, exponent), _mm256_cmpgt_epi16(_mm256_and_si256(x, mask), threshold));
}

// fixed::constant<int16_t>.
constexpr int constant(int32_t value) { return (value >> 16) + ((value & 0xffff) > 0x7fff + (value < 0 ? 1 : 0)); }

inline Shorts exp_of_last_quarter(Shorts a) {
  const Shorts exp_of_minus_eighth = all(constant(1895147668));
  const Shorts x = add(a, all(1 << 12));
  const Shorts x2 = multiply(x, x), x3 = multiply(x2, x), x4 = multiply(x2, x2);
  const Shorts third = multiply(add(rounding_shift_right<2>(x4), x3), all(constant(715827883)));
  const Shorts higher = rounding_shift_right<1>(add(third, x2));
  return _mm256_adds_epi16(exp_of_minus_eighth, multiply(exp_of_minus_eighth, add(x, higher)));
}

template <int IntegerBits>
inline Shorts exp_of_negative(Shorts a) {
  constexpr int fraction = 15 - IntegerBits, quarter = 1 << (fraction - 2);
  const Shorts in_quarter = subtract(_mm256_and_si256(a, all(quarter - 1)), all(quarter));
  const Shorts quarters = subtract(in_quarter, a);
  Shorts result = exp_of_last_quarter(_mm256_slli_epi16(in_quarter, IntegerBits));
  constexpr int32_t powers[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  for (int i = 0; i < 7 && i - 2 < IntegerBits; ++i) {
    const Shorts bit = all(1 << (fraction - 2 + i));
    const Shorts is_set = _mm256_cmpeq_epi16(_mm256_and_si256(quarters, bit), bit);
    result = pick(is_set, multiply(result, all(constant(powers[i]))), result);
  }
  if constexpr (IntegerBits > 5) {
    const Shorts limit = all(constant(-(1 << (36 - IntegerBits))));
    result = _mm256_andnot_si256(_mm256_cmpgt_epi16(limit, a), result);
  }
  return pick(_mm256_cmpeq_epi16(a, all(0)), all(INT16_MAX), result);
}

inline Shorts two_over_one_plus(Shorts a) {
  const Shorts one = all(1 << 13);
  const Shorts half_denominator = add(_mm256_srai_epi16(a, 1), all(1 << 14));
  Shorts x = add(all(constant(1515870810)), multiply(half_denominator, all(constant(-1010580540))));
  for (int i = 0; i < 3; ++i) {
    const Shorts error = subtract(one, multiply(half_denominator, x));
    x = add(x, doubled(doubled(multiply(x, error))));
  }
  return x;
}

inline Shorts negative_of(Shorts a) { return pick(_mm256_srai_epi16(a, 15), a, subtract(all(0), a)); }

template <int IntegerBits>
inline Shorts tanh_of(Shorts a) {
  const Shorts ratio = subtract(two_over_one_plus(exp_of_negative<IntegerBits + 1>(negative_of(a))), all(1 << 13));
  const Shorts result = doubled(doubled(ratio));
  const Shorts with_sign = pick(_mm256_srai_epi16(a, 15), subtract(all(0), result), result);
  return _mm256_andnot_si256(_mm256_cmpeq_epi16(a, all(0)), with_sign);
}

inline Shorts logistic_of(Shorts a) {
  const Shorts result = doubled(two_over_one_plus(exp_of_negative<3>(negative_of(a))));
  const Shorts with_sign = pick(_mm256_srai_epi16(a, 15), subtract(all(INT16_MAX), result), result);
  return pick(_mm256_cmpeq_epi16(a, all(0)), all(1 << 14), with_sign);
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

// Eight numbers of 32 bits each.
struct Halves {
  __m256i first, second;
};
inline Halves widened(Shorts x) {
  return {_mm256_cvtepi16_epi32(_mm256_castsi256_si128(x)), _mm256_cvtepi16_epi32(_mm256_extracti128_si256(x, 1))};
}
inline Shorts saturated(Halves x) { return _mm256_permute4x64_epi64(_mm256_packs_epi32(x.first, x.second), 0xd8); }
template <typename Work>
inline Halves each(Halves a, Halves b, const Work& work) {
  return {work(a.first, b.first), work(a.second, b.second)};
}
inline Halves products(Halves a, Halves b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_mullo_epi32(x, y); });
}
inline Halves sums(Halves a, Halves b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_add_epi32(x, y); });
}

// Numbers that saturate 16 bits with any other of 16 bits added, so that the addition does not wrap around.
inline __m256i scaled(__m256i x, const Rescale256& scale) {
  const __m256i most = _mm256_set1_epi32(1 << 20);
  const __m256i least = _mm256_set1_epi32(-(1 << 20));
  return _mm256_max_epi32(_mm256_min_epi32(rescale256(x, scale), most), least);
}
inline Halves scaled(Halves x, const Rescale256& scale) { return {scaled(x.first, scale), scaled(x.second, scale)}; }

void add_products(const int32_t* all_sums, int64_t count, int32_t multiplier, int32_t shift, const int16_t* others,
                  int16_t* out) {
  const Rescale256 scale = make_rescale256(multiplier, shift);
  for_vectors(count, [&](int64_t i, int64_t lanes) {
    int32_t part[kLanes] = {};
    const int32_t* from = all_sums + i;
    if (lanes < kLanes) {
      __builtin_memcpy(part, from, static_cast<size_t>(lanes) * sizeof(int32_t));
      from = part;
    }
    const Halves x = {_mm256_loadu_si256((const __m256i*)from), _mm256_loadu_si256((const __m256i*)(from + 8))};
    store_some(out + i, saturated(sums(scaled(x, scale), widened(load_some(others + i, lanes)))), lanes);
  });
}

// Ties go away from zero.
inline Halves rounding_shift_right(Halves x, int exponent) {
  const __m128i count = _mm_cvtsi32_si128(exponent);
  const __m256i mask = _mm256_set1_epi32((1 << exponent) - 1), half = _mm256_set1_epi32(((1 << exponent) - 1) >> 1);
  const auto shifted = [&](__m256i y) {
    const __m256i threshold = _mm256_sub_epi32(half, _mm256_srai_epi32(y, 31));
    const __m256i up = _mm256_cmpgt_epi32(_mm256_and_si256(y, mask), threshold);
    return _mm256_sub_epi32(_mm256_sra_epi32(y, count), up);
  };
  return {shifted(x.first), shifted(x.second)};
}
// As numbers of 16 bits wrap around.
inline Halves wrapped(Halves x) {
  const auto cut = [](__m256i y) { return _mm256_srai_epi32(_mm256_slli_epi32(y, 16), 16); };
  return {cut(x.first), cut(x.second)};
}

void update(const int16_t* input, const int16_t* forget, const int16_t* candidate, int64_t count, int shift,
            int16_t* cell) {
  for_vectors(count, [=](int64_t i, int64_t lanes) {
    const Shorts kept_part = load_some(forget + i, lanes);
    const Halves kept = rounding_shift_right(products(widened(kept_part), widened(load_some(cell + i, lanes))), 15);
    const Halves whole = {_mm256_set1_epi32(INT16_MAX), _mm256_set1_epi32(INT16_MAX)};
    const Halves share =
        input ? widened(load_some(input + i, lanes))
              : each(whole, widened(kept_part), [](__m256i x, __m256i y) { return _mm256_sub_epi32(x, y); });
    const Halves product = products(share, widened(load_some(candidate + i, lanes)));
    store_some(cell + i, saturated(sums(kept, wrapped(rounding_shift_right(product, shift)))), lanes);
  });
}

void hidden(const int16_t* gate, const int16_t* tanh, int64_t count, int32_t multiplier, int32_t shift,
            int32_t zero_point, int8_t* out) {
  const Rescale256 scale = make_rescale256(multiplier, shift);
  const __m256i zero = _mm256_set1_epi32(zero_point);
  for_vectors(count, [&](int64_t i, int64_t lanes) {
    const Halves product = products(widened(load_some(gate + i, lanes)), widened(load_some(tanh + i, lanes)));
    const Shorts values = saturated(sums(scaled(product, scale), {zero, zero}));
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(values), _mm256_extracti128_si256(values, 1));
    int8_t all_bytes[kLanes];
    _mm_storeu_si128((__m128i*)(lanes == kLanes ? out + i : all_bytes), bytes);
    if (lanes < kLanes) __builtin_memcpy(out + i, all_bytes, static_cast<size_t>(lanes));
  });
}

constexpr LstmSteps kSteps{
    logistic, {tanh<0>, tanh<1>, tanh<2>, tanh<3>, tanh<4>, tanh<5>, tanh<6>}, add_products, update, hidden};

}  // namespace

const LstmSteps* lstm_steps_avx2();

const LstmSteps* lstm_steps_avx2() { return &kSteps; }

}  // namespace subgraft
