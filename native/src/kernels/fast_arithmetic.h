// What arithmetic.cpp asks for before it takes its reference kernels. An empty Compute: those have to do.
#pragma once

#include <optional>

#include "kernels/arithmetic_math.h"
#include "kernels/fast_pairs.h"

namespace subgraft {

// Numbers of type T as they are, with the fused activation's clamp.
template <typename T>
Compute fast_plain(Preparation& p, const Broadcast<2>& plan, PairFunctions Elementwise::* of_floats,
                   PairFunctions Elementwise::* of_ints, Range<T> range) {
  const Elementwise* table = elementwise();
  if (!table) return {};
  if constexpr (std::is_same_v<T, float>)
    return fast_pairs<T, T, T>(p, plan, table->*of_floats, kFloatPairsGrain, FloatRange{range.min, range.max});
  if constexpr (std::is_same_v<T, int32_t>) {
    if (of_ints) return fast_pairs<T, T, T>(p, plan, table->*of_ints, kFloatPairsGrain, IntRange{range.min, range.max});
  }
  return {};
}

// Null for other types than int8, uint8 and int16.
template <typename T>
const Elementwise::Quantized* fast_quantized() {
  const Elementwise* table = elementwise();
  if (!table) return nullptr;
  if constexpr (std::is_same_v<T, int8_t>) return &table->of_int8;
  if constexpr (std::is_same_v<T, uint8_t>) return &table->of_uint8;
  if constexpr (std::is_same_v<T, int16_t>) return &table->of_int16;
  return nullptr;
}

// The larger or smaller of two numbers.
template <typename T>
Compute fast_choice(Preparation& p, const Broadcast<2>& plan, PairFunctions Elementwise::* of_floats,
                    PairFunctions Elementwise::* of_ints, PairFunctions Elementwise::Quantized::* of_others) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, int32_t>) {
    return fast_plain<T>(p, plan, of_floats, of_ints, {});
  } else {
    const auto* table = fast_quantized<T>();
    return table ? fast_pairs<T, T, T>(p, plan, table->*of_others, kFloatPairsGrain, IntRange{}) : Compute();
  }
}

// A function of bytes of which one is the same for all: looked up. Empty where this does not hold.
template <typename A, typename B, typename Out, typename F>
Compute fast_table_of_pairs(const Preparation& p, const Broadcast<2>& plan, F f) {
  if constexpr (sizeof(A) == 1 && sizeof(B) == 1 && sizeof(Out) == 1) {
    const Elementwise* fast = elementwise();
    for (int i = 0; fast && i < 2; ++i) {
      const Operand &one = p.input(i), &many = p.input(1 - i);
      if (!one.is_constant() || one.shape.elements() != 1 || many.shape.elements() != plan.count()) continue;
      std::array<Out, 256> table;
      for (int x = 0; x < 256; ++x)
        table[x] = i == 0 ? f(*reinterpret_cast<const A*>(one.constant), static_cast<B>(x))
                          : f(static_cast<A>(x), *reinterpret_cast<const B*>(one.constant));
      return [table, input = 1 - i, count = plan.count(), look_up = fast->look_up](const Invocation& v) {
        v.parallel(count, kSimpleFunctionGrain, [&](int64_t begin, int64_t end) {
          look_up(table.data(), v.in<uint8_t>(input) + begin, v.out<uint8_t>(0) + begin, end - begin);
        });
      };
    }
  }
  return {};
}

// Whether a fast function may scale numbers up to 2^bits by this.
bool fits_fast_scaling(Multiplier multiplier, int bits);
Scaling scaling(Multiplier multiplier);

// Inputs on a common scale (null: as they are, less their zero points), then `output`; `bits`: no input of it is larger
// than 2^bits.
bool fits_fast_pair(const CommonScale* common, const QuantizedOutput& output, int bits);
QuantizedPair quantized_pair(const Preparation& p, const CommonScale* common, const QuantizedOutput& output);

template <typename T>
Compute fast_quantized_pairs(Preparation& p, const Broadcast<2>& plan, PairFunctions Elementwise::Quantized::* of_type,
                             const CommonScale* common, const QuantizedOutput& output, int bits) {
  const auto* table = fast_quantized<T>();
  if (!table || !fits_fast_pair(common, output, bits)) return {};
  return fast_pairs<T, T, T>(p, plan, table->*of_type, kQuantizedPairsGrain, quantized_pair(p, common, output));
}

// Factors with which float_sum() gives what `pair` gives, for all pairs of bytes; none, where none were found.
std::optional<FloatPair> equal_float_sum(const Preparation& p, const Elementwise::Quantized& table, int sign,
                                         const QuantizedPair& pair);

// first + sign * second.
template <typename T>
Compute fast_quantized_sum(Preparation& p, const Broadcast<2>& plan, int sign, const CommonScale& common,
                           const QuantizedOutput& output) {
  constexpr int kBits = sizeof(T) == 1 ? 28 : 30;  // of two numbers of at most half of 2^(8 + 20) or 2^(15 + 15)
  // So many sums are more work than to compute all that there are of bytes.
  constexpr int64_t kManySums = 1 << 13;
  if (sizeof(T) == 1 && plan.count() >= kManySums) {
    const auto* table = fast_quantized<T>();
    if (!table || !fits_fast_pair(&common, output, kBits)) return {};
    if (const auto sum = equal_float_sum(p, *table, sign, quantized_pair(p, &common, output)))
      return fast_pairs<T, T, T>(p, plan, table->float_sum, kFloatPairsGrain, *sum);
  }
  const auto function = sign > 0 ? &Elementwise::Quantized::add : &Elementwise::Quantized::subtract;
  return fast_quantized_pairs<T>(p, plan, function, &common, output, kBits);
}

}  // namespace subgraft
