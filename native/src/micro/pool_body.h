// MAX_POOL_2D and AVERAGE_POOL_2D for any instruction set, whose lanes are included before.
#pragma once

#include "micro/pool.h"

namespace subgraft {
namespace {

// One window, cut to the image.
struct PoolWindow {
  int64_t first;  // element of the input
  int64_t rows, columns;
  int64_t count;    // elements, those of the border too
  int64_t outside;  // those of the border
  int64_t earlier;  // rows that begin and end before the first of those
  int skipped;      // columns of the border before the first, modulo 4
};

inline int64_t largest_of(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t smallest_of(int64_t a, int64_t b) { return a < b ? a : b; }

// What a window covers of one axis.
struct PoolSpan {
  int64_t first, size;  // of the image
  int64_t count;        // with the border
  int64_t skipped;      // of the border before the image
};

inline PoolSpan span_of(int64_t begin, int64_t filter, int64_t size, int64_t before, int64_t after) {
  const int64_t first = largest_of(begin, -before), end = smallest_of(begin + filter, size + after);
  const int64_t inside = largest_of(first, 0), inside_end = smallest_of(end, size);
  return {inside, largest_of(inside_end - inside, 0), end - first, inside - first};
}

inline PoolWindow window_of(const PoolLayer& layer, int64_t pixel) {
  const int64_t row = pixel / layer.out_width, image = row / layer.out_height;
  const int64_t y = (row - image * layer.out_height) * layer.stride_y - layer.before_y - layer.top;
  const int64_t x = (pixel - row * layer.out_width) * layer.stride_x - layer.before_x - layer.left;
  const PoolSpan rows = span_of(y, layer.filter_height, layer.in_height, layer.top, layer.bottom);
  const PoolSpan columns = span_of(x, layer.filter_width, layer.in_width, layer.left, layer.right);
  PoolWindow window;
  window.rows = rows.size;
  window.columns = columns.size;
  window.first = ((image * layer.in_height + rows.first) * layer.in_width + columns.first) * layer.channels;
  window.count = rows.count * columns.count;
  window.skipped = static_cast<int>(columns.skipped % 4);
  const bool begins_outside = rows.skipped > 0 || columns.skipped > 0;
  const int64_t first_row = columns.count > columns.size ? 1 : rows.size;
  window.earlier = begins_outside ? 0 : smallest_of(first_row, rows.size);
  window.outside = window.count - rows.size * columns.size;
  return window;
}

// take(element) for every pixel of a window's rows from `begin` to `end`.
template <typename Take>
[[gnu::always_inline]] inline void for_rows(const PoolLayer& layer, const PoolWindow& window, int64_t begin,
                                            int64_t end, const Take& take) {
  const int64_t row_size = layer.in_width * layer.channels;
  for (int64_t r = begin; r < end; ++r) {
    int64_t at = window.first + r * row_size;
    for (int64_t c = 0; c < window.columns; ++c, at += layer.channels) take(at);
  }
}

template <typename Take>
[[gnu::always_inline]] inline void for_window(const PoolLayer& layer, const PoolWindow& window, const Take& take) {
  for_rows(layer, window, 0, window.rows, take);
}

template <typename T>
struct Limits {
  Wide<T> low, high, zero;
  explicit Limits(const PoolLayer& layer)
      : low(Wide<T>::of(static_cast<T>(layer.min))),
        high(Wide<T>::of(static_cast<T>(layer.max))),
        zero(Wide<T>::of(static_cast<T>(layer.zero))) {}
};
template <>
struct Limits<float> {
  Wide<float> low, high, zero;
  explicit Limits(const PoolLayer& layer)
      : low(Wide<float>::of(layer.real_min)), high(Wide<float>::of(layer.real_max)), zero(Wide<float>::of(0)) {}
};

// The largest of a window, the first of equal ones (zeros have signs). load(element): one vector of channels.
template <typename T, typename Load>
[[gnu::always_inline]] inline Wide<T> most_of(const PoolLayer& layer, const PoolWindow& window, const Limits<T>& limits,
                                              const Load& load) {
  Wide<T> most = Wide<T>::lowest();
  const auto take = [&](int64_t at) { most = greater(load(at), most); };
  if (window.outside == 0) {
    for_window(layer, window, take);
  } else {
    for_rows(layer, window, 0, window.earlier, take);
    most = greater(limits.zero, most);
    for_rows(layer, window, window.earlier, window.rows, take);
  }
  return lesser(greater(most, limits.low), limits.high);
}

template <typename T>
void max_pool(const PoolLayer& layer, const T* in, T* out, int64_t begin, int64_t end) {
  const Limits<T> limits(layer);
  constexpr int lanes = Wide<T>::kCount;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const PoolWindow window = window_of(layer, pixel);
    T* to = out + pixel * layer.channels;
    int64_t c = 0;
    for (; c + lanes <= layer.channels; c += lanes)
      most_of(layer, window, limits, [&](int64_t at) { return Wide<T>::load(in + at + c); }).store(to + c);
    if (const int64_t left = layer.channels - c; left > 0)
      most_of(layer, window, limits, [&](int64_t at) {
        return Wide<T>::load_part(in + at + c, left);
      }).store_part(to + c, left);
  }
}

// One vector of channels: every fourth column has a sum of its own, so that they do not wait for each other. A border
// changes no column's sum.
template <typename T>
auto sum_of_window(const PoolLayer& layer, const PoolWindow& window, const T* in) {
  using V = decltype(load(in));
  V sums[4] = {};
  for (int64_t r = 0; r < window.rows; ++r) {
    const T* from = in + window.first + r * layer.in_width * layer.channels;
    int64_t left = window.columns;
    const auto add_some = [&](int first) {
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        if (k < first || left == 0) continue;
        sums[k] = plus(sums[k], load(from));
        from += layer.channels;
        --left;
      }
    };
    if (window.skipped > 0) add_some(window.skipped);
    for (; left >= 4; left -= 4, from += 4 * layer.channels)
      for (int k = 0; k < 4; ++k) sums[k] = plus(sums[k], load(from + k * layer.channels));
    add_some(0);
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
  V low, high, start = {};
  if constexpr (sizeof(T) == 4) {
    low = broadcast(layer.real_min), high = broadcast(layer.real_max);
  } else {
    low = broadcast(layer.min), high = broadcast(layer.max);
  }
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const PoolWindow window = window_of(layer, pixel);
    const int64_t count = window.count;
    if constexpr (sizeof(T) < 4) start = broadcast(static_cast<int32_t>(window.outside * layer.zero));
    T* to = out + pixel * layer.channels;
    int64_t c = 0;
    // Sums of several vectors do not wait for each other.
    constexpr int together = 4;
    for (; c + together * kLanes <= layer.channels; c += together * kLanes) {
      V sums[together];
      for (V& sum : sums) sum = start;
      for_window(layer, window, [&](int64_t at) {
        for (int i = 0; i < together; ++i) sums[i] = plus(sums[i], load(in + at + c + i * kLanes));
      });
      for (int i = 0; i < together; ++i) store(to + c + i * kLanes, min(high, max(low, average_of(sums[i], count))));
    }
    for (; c + kLanes <= layer.channels; c += kLanes)
      store(to + c, min(high, max(low, average_of(plus(start, sum_of_window(layer, window, in + c)), count))));
    if (const int64_t left = layer.channels - c; left > 0) {
      V sum = start;
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
