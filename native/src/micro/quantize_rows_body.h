// quantize_rows.h for any instruction set, whose lanes and what a file has above its include are there before.
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

void ranges_of(const float* values, int64_t rows, int64_t count, float* lows, float* highs) {
  const Floats zero = broadcast(0.f);
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4, values += 4 * count) {
    Floats low[4] = {zero, zero, zero, zero}, high[4] = {zero, zero, zero, zero};
    const auto take = [&](int r, Floats x) {
      low[r] = min(x, low[r]);
      high[r] = max(x, high[r]);
    };
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
      for (int r = 0; r < 4; ++r) take(r, load(values + r * count + i));
    if (i < count)
      for (int r = 0; r < 4; ++r) take(r, load_part(values + r * count + i, count - i, zero));
    store_smallest(lows + row, low);
    store_largest(highs + row, high);
  }
  for (; row < rows; ++row, values += count) range_of(values, count, lows[row], highs[row]);
}

void asymmetric_ranges(const RowRanges& r) {
  for (int64_t i = 0; i < r.rows; ++i) {
    const float low = r.lows[i], high = r.highs[i];
    const double scale = static_cast<double>(high - low) / 255;
    const double of_low = low / scale, of_high = high / scale;
    const double from_low = -128 - of_low, from_high = 127 - of_high;
    const double zero = 128 + __builtin_fabs(of_low) < 127 + __builtin_fabs(of_high) ? from_low : from_high;
    const double most = zero > 127 ? 127 : zero;
    const double bounded = most >= -128 ? most : zero == zero ? -128 : 0;  // 0 for NaN
    const auto whole = static_cast<int32_t>(bounded);
    const double rest = bounded - whole;
    const bool empty = low == high;
    r.zeros[i] = empty ? 0 : whole + (rest >= 0.5) - (rest <= -0.5);
    r.scales[i] = empty ? 1 : static_cast<float>(scale);
    r.inverses[i] = 1 / r.scales[i];
  }
}

void symmetric_ranges(const RowRanges& r) {
  for (int64_t i = 0; i < r.rows; ++i) {
    const float magnitude = -r.lows[i] < r.highs[i] ? r.highs[i] : -r.lows[i];
    r.zeros[i] = 0;
    r.scales[i] = magnitude == 0 ? 1 : magnitude / 127;
    r.inverses[i] = magnitude == 0 ? 0 : 127 / magnitude;
  }
}

void quantize_values(const float* values, int64_t count, float inverse, int32_t zero, int32_t min_value, uint8_t flip,
                     uint8_t* out) {
  const Floats factor = broadcast(inverse), half = broadcast(0.5f);
  const auto nearest = [&](Floats x) {
    const Floats bounded = bounded_to_integers(times(x, factor));
    return truncated(plus(bounded, with_sign(half, bounded)));
  };
  const FourVectors four(zero, min_value, flip);
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    const float* x = values + i;
    four.store(out + i, nearest(load(x)), nearest(load(x + kLanes)), nearest(load(x + 2 * kLanes)),
               nearest(load(x + 3 * kLanes)));
  }
  const Ints offset = broadcast(zero), least = broadcast(min_value), most = broadcast(int32_t{127});
  const Ints lowest = broadcast(int32_t{-1000}), mask = broadcast(int32_t{flip});
  const auto quantized = [&](Floats x) {
    return flipped(min(max(plus(max(nearest(x), lowest), offset), least), most), mask);
  };
  for (; i + kLanes <= count; i += kLanes) store(out + i, quantized(load(values + i)));
  if (i < count) store_part(out + i, quantized(load_part(values + i, count - i, half)), count - i);
}

constexpr QuantizeRows kQuantizeRows{range_of, ranges_of, asymmetric_ranges, symmetric_ranges, quantize_values};

}  // namespace
}  // namespace subgraft
