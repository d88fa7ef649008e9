// quantize_rows.h for any instruction set, whose lanes are included before.
#pragma once

#include "micro/quantize_rows.h"

namespace subgraft {
namespace {

void range_of(const float* values, int64_t count, float& low, float& high) {
  const Floats zero = broadcast(0.f);
  Floats lows[2] = {zero, zero}, highs[2] = {zero, zero};
  const auto take = [&](Floats x, int i) {
    lows[i] = min(x, lows[i]);
    highs[i] = max(x, highs[i]);
  };
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    take(load(values + i), 0);
    take(load(values + i + kLanes), 1);
  }
  for (; i + kLanes <= count; i += kLanes) take(load(values + i), 0);
  if (i < count) take(load_part(values + i, count - i, zero), 0);
  low = smallest(min(lows[0], lows[1]));
  high = largest(max(highs[0], highs[1]));
}

void quantize_values(const float* values, int64_t count, float inverse, int32_t zero, int32_t min_value, uint8_t flip,
                     uint8_t* out) {
  const Floats factor = broadcast(inverse), bound = broadcast(1000.f), lowest = broadcast(-1000.f);
  const Floats half = broadcast(0.5f);
  const Ints offset = broadcast(zero), least = broadcast(min_value), most = broadcast(int32_t{127});
  const Ints mask = broadcast(int32_t{flip});
  const auto quantized = [&](Floats x) {
    const Floats bounded = min(max(times(x, factor), lowest), bound);  // NaN becomes the lowest
    const Ints nearest = plus(truncated(plus(bounded, with_sign(half, bounded))), offset);
    return flipped(min(max(nearest, least), most), mask);
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, quantized(load(values + i)));
  if (i < count) store_part(out + i, quantized(load_part(values + i, count - i, half)), count - i);
}

constexpr QuantizeRows kQuantizeRows{range_of, quantize_values};

}  // namespace
}  // namespace subgraft
