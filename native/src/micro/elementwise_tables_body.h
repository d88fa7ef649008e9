// Quantized functions of one element, and the ways into and out of them; included after one of vector_*.h.
#pragma once

#include "micro/elementwise.h"
#include "micro/scaling_body.h"

namespace subgraft {
namespace {

// Straight lines between 513 values: entry i stands for inputs of 128 * (i - 256).
inline void lines_of_16(const void* parameters, const void* in, void* out, int64_t n) {
  const auto line = [parameters](Ints x) {
    const Ints pair = gather(parameters, ((x >> 7) + 256) * 2);
    const Ints here = (pair << 16) >> 16, slope = (((pair >> 16) - here) << 16) >> 16;
    return ((here + ((multiply_16_bits(slope, x & 127) + 64) >> 7)) << 16) >> 16;
  };
  const int16_t* x = static_cast<const int16_t*>(in);
  int16_t* y = static_cast<int16_t*>(out);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, line(load(x + i)));
  if (i < n) store(y + i, line(load(x + i, n - i)), n - i);
}

// y / 2^bits of the line between points i and i + 1 that are 2^bits apart, or of `beyond` after the last; i is the
// distance from 0 in such steps.
template <int bits>
inline Ints point_on_sigmoid(const uint16_t* points, Ints distance, int32_t beyond) {
  const Ints step = distance >> bits, pair = gather(points, min(step, ints(254)) * 2);
  const Ints here = pair & 0xffff, next = (Ints)((Words)pair >> 16);
  const Ints y = (here << bits) + (distance & ((1 << bits) - 1)) * (next - here);
  return step < 255 ? y : ints(beyond);
}

template <bool is_tanh>
void sigmoid_of_16(const void* parameters, const void* in, void* out, int64_t n) {
  const auto& map = *static_cast<const SigmoidMap*>(parameters);
  const Ints multiplier = ints(map.multiplier), round = ints(map.shift > 0 ? 1 << (map.shift - 1) : 0);
  const auto sigmoid = [&](Ints value) {
    const Ints x = (value * multiplier + round) >> map.shift, distance = max(x, -x);
    if constexpr (is_tanh) {
      const Ints y = point_on_sigmoid<8>(map.points, distance, 0xffff << 8) - (1 << 23);
      return (x >= 0 ? y + 128 : 127 - y) >> 8;
    } else {
      const Ints y = point_on_sigmoid<9>(map.points, distance, 0x7fff << 10);
      return (x >= 0 ? y + 512 : (1 << 25) + 511 - y) >> 10;
    }
  };
  const int16_t* x = static_cast<const int16_t*>(in);
  int16_t* y = static_cast<int16_t*>(out);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, sigmoid(load(x + i)));
  if (i < n) store(y + i, sigmoid(load(x + i, n - i)), n - i);
}

template <typename In, typename Out>
void rescale(const void* parameters, const void* in, void* out, int64_t n) {
  const auto& map = *static_cast<const QuantizedMap*>(parameters);
  const Ints zero = ints(map.zero_point);
  const IntRange all = {-(1 << 30), 1 << 30};
  const OutputScale positive(map.positive, map.output_zero_point, map.range), negative(map.negative, 0, all);
  const Ints sign = ints(map.is_negated ? -1 : 0), output_zero = ints(map.output_zero_point);
  const Ints low = ints(map.range.low), high = ints(map.range.high);
  const bool has_one_scale = !map.is_negated && map.positive.multiplier == map.negative.multiplier &&
                             map.positive.left == map.negative.left && map.positive.right == map.negative.right;
  const auto rescaled = [&](Ints value) {
    const Ints x = value - zero;
    if (has_one_scale) return positive(x);
    const Ints below = min(max(((negative(x) ^ sign) - sign) + output_zero, low), high);
    return x >= 0 ? positive(x) : below;
  };
  const In* x = static_cast<const In*>(in);
  Out* y = static_cast<Out*>(out);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, rescaled(load(x + i)));
  if (i < n) store(y + i, rescaled(load(x + i, n - i)), n - i);
}

template <typename T>
constexpr int32_t kSmallest = static_cast<T>(-1) < 0 ? -(1 << (8 * sizeof(T) - 1)) : 0;
template <typename T>
constexpr int32_t kLargest = static_cast<T>(-1) < 0 ? (1 << (8 * sizeof(T) - 1)) - 1 : (1 << 8 * sizeof(T)) - 1;

// The nearest number, ties away from zero, saturated; the smallest for NaN.
template <typename T>
void quantize(const void* parameters, const void* in, void* out, int64_t n) {
  const auto& to = *static_cast<const Quantization32*>(parameters);
  const Floats scale = floats(to.scale);
  const Floats low = floats(static_cast<float>(kSmallest<T> - to.zero_point));
  const Floats high = floats(static_cast<float>(kLargest<T> - to.zero_point));
  const Ints zero = ints(to.zero_point);
  const auto quantized = [=](Floats x) {
    const Floats steps = min(max(x / scale, low), high);  // of NaN the second
    // The largest float under 1/2 keeps what is under a half from being rounded up.
    return truncate(steps + copy_sign(floats(0x1.fffffep-2f), steps)) + zero;
  };
  const float* x = static_cast<const float*>(in);
  T* y = static_cast<T*>(out);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, quantized(load(x + i)));
  if (i < n) store(y + i, quantized(load(x + i, n - i)), n - i);
}

template <typename T>
void dequantize(const void* parameters, const void* in, void* out, int64_t n) {
  const auto& from = *static_cast<const Quantization32*>(parameters);
  const Floats scale = floats(from.scale);
  const Ints zero = ints(from.zero_point);
  const T* x = static_cast<const T*>(in);
  float* y = static_cast<float*>(out);
  int64_t i = 0;
#pragma GCC unroll 2
  for (; i + kLanes <= n; i += kLanes) store(y + i, scale * to_floats(load(x + i) - zero));
  if (i < n) store(y + i, scale * to_floats(load(x + i, n - i) - zero), n - i);
}

}  // namespace
}  // namespace subgraft
