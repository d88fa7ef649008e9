// MAX_POOL_2D and AVERAGE_POOL_2D on vectors.
#pragma once

#include <cstdint>

namespace subgraft {

// Windows slide over the image and a border of zeros around it, which count as elements; `before` is what windows may
// pass that on its first side, which does not.
struct PoolLayer {
  int64_t in_height = 0, in_width = 0, out_height = 0, out_width = 0, channels = 0;
  int64_t top = 0, bottom = 0, left = 0, right = 0;  // of the border
  int64_t filter_height = 0, filter_width = 0, stride_y = 1, stride_x = 1, before_y = 0, before_x = 0;
  int32_t zero = 0;  // of integers: what the border holds
  float real_min = 0, real_max = 0;
  int32_t min = 0, max = 0;  // of integers
};

// Sums of integers that are divided in single precision: the largest magnitude for which that is exact.
inline constexpr int64_t kPoolLargestSum = (1 << 24) - 1;

// Output positions from `begin` to `end`, those of all images in order. Every window meets the image or
// its border.
template <typename T>
using PoolPixels = void (*)(const PoolLayer& layer, const T* in, T* out, int64_t begin, int64_t end);

struct PoolKernel {
  PoolPixels<float> max_real, average_real;
  PoolPixels<int8_t> max_int8, average_int8;
  PoolPixels<uint8_t> max_uint8, average_uint8;
  PoolPixels<int16_t> max_int16, average_int16;
};

const PoolKernel* pool_kernel();  // null: the reference has to do

}  // namespace subgraft
