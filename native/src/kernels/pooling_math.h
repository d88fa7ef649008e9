// The arithmetic of MAX_POOL_2D, AVERAGE_POOL_2D and L2_POOL_2D.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/fixed_point.h"
#include "kernels/window.h"

namespace subgraft {

struct PoolGeometry {
  int32_t batches = 0, channels = 0;
  Window y, x;

  int64_t pixels() const { return int64_t{batches} * y.out * x.out; }
};

template <typename T>
struct MaxPool {
  using Sum = T;
  static constexpr T kStart = std::numeric_limits<T>::lowest();
  static constexpr int64_t kMostElements = INT32_MAX;
  static Sum add(Sum sum, T x) { return sum < x ? x : sum; }
  static T result(Sum sum, int32_t) { return sum; }
};

template <typename T>
struct AveragePool {
  using Sum = std::conditional_t<std::is_floating_point_v<T>, float, int32_t>;
  static constexpr Sum kStart = 0;
  // The largest window whose count is exact in a float, or whose sum and rounding stay within 32 bits.
  static constexpr int64_t kMostElements = std::is_floating_point_v<T> ? 1 << 24 : (1 << 30) >> 8 * (sizeof(T) % 4);
  static Sum add(Sum sum, T x) { return sum + x; }
  static auto result(Sum sum, int32_t count) {
    if constexpr (std::is_floating_point_v<T>) {
      return sum / static_cast<float>(count);
    } else {
      return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
    }
  }
};

// The root of the mean square.
struct L2Pool {
  using Sum = float;
  static constexpr float kStart = 0;
  static constexpr int64_t kMostElements = 1 << 24;  // exact in a float
  static float add(float sum, float x) { return sum + x * x; }
  static float result(float sum, int32_t count) { return std::sqrt(sum / static_cast<float>(count)); }
};

// Channels that are pooled side by side.
inline constexpr int64_t kPoolChannels = 64;

// The output positions from `begin` to `end`. Every window meets the input, in at most Pool::kMostElements elements.
template <typename Pool, typename T, typename Limits>
void pool(const PoolGeometry& g, const T* in, const Limits& range, int64_t begin, int64_t end, T* out) {
  using Sum = typename Pool::Sum;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const int64_t row = pixel / g.x.out, batch = row / g.y.out;
    const int64_t out_y = row - batch * g.y.out, out_x = pixel - row * g.x.out;
    const Window::Taps rows = g.y.taps(out_y), columns = g.x.taps(out_x);
    const int32_t width = columns.end - columns.begin, count = (rows.end - rows.begin) * width;
    const int64_t first_x = g.x.origin(out_x) + columns.begin;
    for (int64_t first = 0; first < g.channels; first += kPoolChannels) {
      const int64_t channels = std::min(kPoolChannels, g.channels - first);
      Sum sums[kPoolChannels];
      std::fill(sums, sums + kPoolChannels, Pool::kStart);
      for (int64_t r = rows.begin; r < rows.end; ++r) {
        const int64_t y = batch * g.y.in + g.y.origin(out_y) + r;
        const T* from = in + (y * g.x.in + first_x) * g.channels + first;
        for (int32_t i = 0; i < width; ++i, from += g.channels)
          for (int64_t c = 0; c < channels; ++c) sums[c] = Pool::add(sums[c], from[c]);
      }
      T* to = out + pixel * g.channels + first;
      for (int64_t c = 0; c < channels; ++c) to[c] = static_cast<T>(range.clamp(Pool::result(sums[c], count)));
    }
  }
}

}  // namespace subgraft
