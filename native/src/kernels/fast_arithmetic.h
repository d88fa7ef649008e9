// What arithmetic.cpp asks for before it takes its reference kernels. An empty Compute: those have to do.
#pragma once

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

}  // namespace subgraft
