// RESIZE_BILINEAR for any instruction set, whose lanes are included before.
#pragma once

#include "micro/resize.h"

namespace subgraft {
namespace {

// Loads and stores that do not pass the ends of what they belong to.
template <typename T>
inline auto load_some(const T* p, int64_t count) {
  return count >= kLanes ? load(p) : load_part(p, count, decltype(load(p)){});
}
template <typename T, typename V>
inline void store_some(T* p, V x, int64_t count) {
  if (count >= kLanes)
    store(p, x);
  else
    store_part(p, x, count);
}

// Each kind of rounding: what columns keep in the buffers, and what becomes of two of them.

struct RealBlend {
  Floats upper, lower, left, right;

  explicit RealBlend(const ResizePosition& row) : upper(broadcast(1 - row.real)), lower(broadcast(row.real)) {}
  void weigh_rows(const float* above, const float* below, int64_t count, float* to, float*) const {
    store(to, multiply_add(load_some(below, count), lower, times(load_some(above, count), upper)));
  }
  void weigh_columns(const ResizePosition& column) {
    left = broadcast(1 - column.real);
    right = broadcast(column.real);
  }
  void blend(const float* low, const float* high, int64_t, float* to, int64_t count) const {
    store_some(to, multiply_add(load(high), right, times(load(low), left)), count);
  }
};

// One product after the other, as the reference has them: they decide how the result is rounded.
struct ByteBlend {
  Floats upper, lower, left, right;

  explicit ByteBlend(const ResizePosition& row) : upper(broadcast(1 - row.real)), lower(broadcast(row.real)) {}
  void weigh_rows(const uint8_t* above, const uint8_t* below, int64_t count, float* to, float* to_lower) const {
    store(to, times(to_real(load_some(above, count)), upper));
    store(to_lower, times(to_real(load_some(below, count)), lower));
  }
  void weigh_columns(const ResizePosition& column) {
    left = broadcast(1 - column.real);
    right = broadcast(column.real);
  }
  void blend(const float* low, const float* high, int64_t distance, uint8_t* to, int64_t count) const {
    Floats sum = plus(times(load(low), left), times(load(low + distance), left));
    sum = plus(plus(sum, times(load(high), right)), times(load(high + distance), right));
    store_some(to, to_whole(plus(sum, broadcast(0.5f))), count);
  }
};

template <typename T>
struct FixedBlend {
  static constexpr int32_t kOne = 1 << 10;
  Ints upper, lower, left, right;

  explicit FixedBlend(const ResizePosition& row) : upper(broadcast(kOne - row.fixed)), lower(broadcast(row.fixed)) {}
  void weigh_rows(const T* above, const T* below, int64_t count, int32_t* to, int32_t*) const {
    store_whole(to, plus(times(load_some(above, count), upper), times(load_some(below, count), lower)));
  }
  void weigh_columns(const ResizePosition& column) {
    left = broadcast(kOne - column.fixed);
    right = broadcast(column.fixed);
  }
  void blend(const int32_t* low, const int32_t* high, int64_t, T* to, int64_t count) const {
    if constexpr (sizeof(T) == 1) {
      const Ints sum = plus(times(load(low), left), times(load(high), right));
      const Ints rounded = plus(plus(sum, broadcast(1 << 19)), shift_right(sum, 31));
      store_some(to, shift_right(rounded, 20), count);
    } else {
      store_some(to, weigh_wide(load(low), left, load(high), right), count);
    }
  }
};

template <typename T, typename Blend, typename Kept>
void resize_rows(const ResizeLayer& layer, const T* in, T* out, int64_t begin, int64_t end, void* buffer) {
  const int64_t depth = layer.depth, row_size = layer.in_width * depth, image = layer.in_height * row_size;
  const int64_t distance = resize_buffer(row_size);
  Kept* const kept = static_cast<Kept*>(buffer);
  T* to = out + begin * layer.out_width * depth;
  const T* const to_end = out + end * layer.out_width * depth;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t number = row / layer.out_height;
    const ResizePosition& position = layer.rows[row - number * layer.out_height];
    const T* above = in + number * image + position.low * row_size;
    const T* below = in + number * image + position.high * row_size;
    Blend blend(position);
    int64_t done = 0;  // elements of the row
    for (int64_t x = 0; x < layer.out_width; ++x, to += depth) {
      const ResizePosition& column = layer.columns[x];
      if (const int64_t needed = (column.high + int64_t{1}) * depth; done < needed) {
        if (done < column.low * depth) done = column.low * depth;
        for (; done < needed; done += kLanes)
          blend.weigh_rows(above + done, below + done, row_size - done, kept + done, kept + distance + done);
        if (done > row_size) done = row_size;
      }
      blend.weigh_columns(column);
      const Kept *low = kept + column.low * depth, *high = kept + column.high * depth;
      // What a vector writes beyond the column is written again, but for the last ones.
      for (int64_t c = 0; c < depth; c += kLanes) blend.blend(low + c, high + c, distance, to + c, to_end - (to + c));
    }
  }
}

constexpr ResizeKernel kResize = {
    resize_rows<float, RealBlend, float>,
    resize_rows<uint8_t, ByteBlend, float>,
    resize_rows<int8_t, FixedBlend<int8_t>, int32_t>,
    resize_rows<int16_t, FixedBlend<int16_t>, int32_t>,
};

}  // namespace
}  // namespace subgraft
