// transpose.h for any instruction set, whose squares are included before.
#pragma once

#include "micro/transpose.h"

namespace subgraft {
namespace {

template <typename T>
void one_by_one(const T* in, int64_t in_stride, T* out, int64_t out_stride, int64_t rows, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c)
    for (int64_t r = 0; r < rows; ++r) out[c * out_stride + r] = in[r * in_stride + c];
}

template <typename T, int size>
void transpose(const T* in, int64_t in_stride, T* out, int64_t out_stride, int64_t rows, int64_t columns) {
  const int64_t whole_rows = rows / size * size, whole_columns = columns / size * size;
  for (int64_t c = 0; c < whole_columns; c += size)
    for (int64_t r = 0; r < whole_rows; r += size)
      square(in + r * in_stride + c, in_stride, out + c * out_stride + r, out_stride);
  one_by_one(in + whole_rows * in_stride, in_stride, out + whole_rows, out_stride, rows - whole_rows, columns);
  one_by_one(in + whole_columns, in_stride, out + whole_columns * out_stride, out_stride, whole_rows,
             columns - whole_columns);
}

constexpr Transposes kTransposes{transpose<uint8_t, kSquareOf1Byte>, transpose<uint16_t, kSquareOf2Bytes>,
                                 transpose<uint32_t, kSquareOf4Bytes>};

}  // namespace
}  // namespace subgraft
