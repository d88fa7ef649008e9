// Quantized functions of one element, and the ways into and out of them; included after one of vector_*.h.
#pragma once

#include "micro/elementwise.h"

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
