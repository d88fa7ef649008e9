// MAX_POOL_2D and AVERAGE_POOL_2D for any instruction set, whose lanes are included before.
#pragma once

#include "micro/pool.h"

namespace subgraft {
namespace {

// One window, cut to the image.
struct PoolWindow {
  int64_t first;  // element of the input
  int64_t rows, columns;
};

inline int64_t largest_of(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t smallest_of(int64_t a, int64_t b) { return a < b ? a : b; }

inline PoolWindow window_of(const PoolLayer& layer, int64_t pixel) {
  const int64_t row = pixel / layer.out_width, image = row / layer.out_height;
  const int64_t y = (row - image * layer.out_height) * layer.stride_y - layer.before_y;
  const int64_t x = (pixel - row * layer.out_width) * layer.stride_x - layer.before_x;
  const int64_t first_y = largest_of(y, 0), first_x = largest_of(x, 0);
  PoolWindow window;
  window.rows = smallest_of(y + layer.filter_height, layer.in_height) - first_y;
  window.columns = smallest_of(x + layer.filter_width, layer.in_width) - first_x;
  window.first = ((image * layer.in_height + first_y) * layer.in_width + first_x) * layer.channels;
  return window;
}

// take(element) for every pixel of a window.
template <typename Take>
[[gnu::always_inline]] inline void for_window(const PoolLayer& layer, const PoolWindow& window, const Take& take) {
  const int64_t row_size = layer.in_width * layer.channels;
  for (int64_t r = 0; r < window.rows; ++r) {
    int64_t at = window.first + r * row_size;
    for (int64_t c = 0; c < window.columns; ++c, at += layer.channels) take(at);
  }
}

template <typename T>
struct Limits {
  Wide<T> low, high;
  explicit Limits(const PoolLayer& layer)
      : low(Wide<T>::of(static_cast<T>(layer.min))), high(Wide<T>::of(static_cast<T>(layer.max))) {}
};
template <>
struct Limits<float> {
  Wide<float> low, high;
  explicit Limits(const PoolLayer& layer)
      : low(Wide<float>::of(layer.real_min)), high(Wide<float>::of(layer.real_max)) {}
};

template <typename T>
void max_pool(const PoolLayer& layer, const T* in, T* out, int64_t begin, int64_t end) {
  const Limits<T> limits(layer);
  constexpr int lanes = Wide<T>::kCount;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const PoolWindow window = window_of(layer, pixel);
    T* to = out + pixel * layer.channels;
    int64_t c = 0;
    for (; c + lanes <= layer.channels; c += lanes) {
      Wide<T> most = Wide<T>::lowest();
      for_window(layer, window, [&](int64_t at) { most = greater(Wide<T>::load(in + at + c), most); });
      lesser(greater(most, limits.low), limits.high).store(to + c);
    }
    if (const int64_t left = layer.channels - c; left > 0) {
      Wide<T> most = Wide<T>::lowest();
      for_window(layer, window, [&](int64_t at) { most = greater(Wide<T>::load_part(in + at + c, left), most); });
      lesser(greater(most, limits.low), limits.high).store_part(to + c, left);
    }
  }
}

// One vector of channels: every fourth column has a sum of its own, so that they do not wait for each other.
template <typename T>
auto sum_of_window(const PoolLayer& layer, const PoolWindow& window, const T* in) {
  using V = decltype(load(in));
  V sums[4] = {};
  for (int64_t r = 0; r < window.rows; ++r) {
    const T* from = in + window.first + r * layer.in_width * layer.channels;
    int64_t i = 0;
    for (; i + 4 <= window.columns; i += 4, from += 4 * layer.channels)
      for (int k = 0; k < 4; ++k) sums[k] = plus(sums[k], load(from + k * layer.channels));
    for (; i < window.columns; ++i, from += layer.channels) sums[0] = plus(sums[0], load(from));
  }
  return plus(plus(sums[0], sums[1]), plus(sums[2], sums[3]));
}

inline Floats average_of(Floats sum, int64_t count) { return divided(sum, broadcast(static_cast<float>(count))); }
// Rounded to nearest, halves away from zero.
inline Ints average_of(Ints sum, int64_t count) {
  const Ints half = broadcast(static_cast<int32_t>(count / 2));
  const Ints rounded = plus(sum, with_sign_of(half, sum));
  return to_whole(divided(to_real(rounded), broadcast(static_cast<float>(count))));
}

template <typename T>
void average_pool(const PoolLayer& layer, const T* in, T* out, int64_t begin, int64_t end) {
  using V = decltype(load(in));
  V low, high;
  if constexpr (sizeof(T) == 4) {
    low = broadcast(layer.real_min), high = broadcast(layer.real_max);
  } else {
    low = broadcast(layer.min), high = broadcast(layer.max);
  }
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const PoolWindow window = window_of(layer, pixel);
    const int64_t count = window.rows * window.columns;
    T* to = out + pixel * layer.channels;
    int64_t c = 0;
    // Sums of several vectors do not wait for each other.
    constexpr int together = 4;
    for (; c + together * kLanes <= layer.channels; c += together * kLanes) {
      V sums[together] = {};
      for_window(layer, window, [&](int64_t at) {
        for (int i = 0; i < together; ++i) sums[i] = plus(sums[i], load(in + at + c + i * kLanes));
      });
      for (int i = 0; i < together; ++i) store(to + c + i * kLanes, min(high, max(low, average_of(sums[i], count))));
    }
    for (; c + kLanes <= layer.channels; c += kLanes)
      store(to + c, min(high, max(low, average_of(sum_of_window(layer, window, in + c), count))));
    if (const int64_t left = layer.channels - c; left > 0) {
      V sum = {};
      for_window(layer, window, [&](int64_t at) { sum = plus(sum, load_part(in + at + c, left, V{})); });
      store_part(to + c, min(high, max(low, average_of(sum, count))), left);
    }
  }
}

constexpr PoolKernel kPool = {
    max_pool<float>,   average_pool<float>,   max_pool<int8_t>,  average_pool<int8_t>,
    max_pool<uint8_t>, average_pool<uint8_t>, max_pool<int16_t>, average_pool<int16_t>,
};

}  // namespace
}  // namespace subgraft
