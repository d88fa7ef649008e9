// RESIZE_BILINEAR on vectors.
//
// A row of outputs is made in two steps, whose order is that of the reference's products: the two rows of the image
// that lie around it are weighed, each column once and only where outputs need it; then pairs of columns are.
#pragma once

#include <cstdint>

namespace subgraft {

// The two neighbours of an output position along one axis, and how far it lies from the first: a part of 1, or of 1024
// for int8 and int16, which round in fixed point.
struct ResizePosition {
  int32_t low, high;
  float real;
  int32_t fixed;
};

struct ResizeLayer {
  int64_t in_height = 0, in_width = 0, out_height = 0, out_width = 0, depth = 0;
  const ResizePosition* rows = nullptr;     // out_height of them
  const ResizePosition* columns = nullptr;  // out_width; neighbours do not decrease
};

// Rows of outputs from `begin` to `end`, those of all images in order. buffer: kResizeBuffers * resize_buffer elements
// of 4 bytes, aligned to 64.
struct ResizeKernel {
  void (*real)(const ResizeLayer& layer, const float* in, float* out, int64_t begin, int64_t end, void* buffer);
  void (*uint8)(const ResizeLayer& layer, const uint8_t* in, uint8_t* out, int64_t begin, int64_t end, void* buffer);
  void (*int8)(const ResizeLayer& layer, const int8_t* in, int8_t* out, int64_t begin, int64_t end, void* buffer);
  void (*int16)(const ResizeLayer& layer, const int16_t* in, int16_t* out, int64_t begin, int64_t end, void* buffer);
};

const ResizeKernel* resize_kernel();  // null: the reference has to do

// Elements of one buffer for rows of `row` elements: vectors may be read beyond their ends.
inline constexpr int64_t kResizeBuffers = 2;
constexpr int64_t resize_buffer(int64_t row) { return (row + 31) / 16 * 16; }

}  // namespace subgraft
