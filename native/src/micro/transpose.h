// Transposes of matrices of 1, 2 or 4 bytes.
#pragma once

#include <cstdint>

namespace subgraft {

// out[c * out_stride + r] = in[r * in_stride + c]; strides in elements.
struct Transposes {
  void (*of_1_byte)(const uint8_t* in, int64_t in_stride, uint8_t* out, int64_t out_stride, int64_t rows,
                    int64_t columns);
  void (*of_2_bytes)(const uint16_t* in, int64_t in_stride, uint16_t* out, int64_t out_stride, int64_t rows,
                     int64_t columns);
  void (*of_4_bytes)(const uint32_t* in, int64_t in_stride, uint32_t* out, int64_t out_stride, int64_t rows,
                     int64_t columns);
};

const Transposes* transposes();  // null: the reference has to do

}  // namespace subgraft
