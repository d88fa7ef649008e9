// Floats quantized to 8 bits while running, with the roundings of kernels/dynamic_range.h.
#pragma once

#include <cstdint>

namespace subgraft {

// Rows by the least and the greatest of their values and 0.
struct RowRanges {
  const float *lows, *highs;
  int64_t rows;
  float* scales;
  int32_t* zeros;
  float* inverses;  // what values are multiplied with
};

struct QuantizeRows {
  // The least and the greatest of `count` values and 0; NaN does not count.
  void (*range)(const float* values, int64_t count, float& low, float& high);
  // The same of each of some rows, one behind the other.
  void (*ranges)(const float* values, int64_t rows, int64_t count, float* lows, float* highs);
  // asymmetric_range() and symmetric_range() of kernels/dynamic_range.h. Values of a row whose range is empty become 0.
  void (*asymmetric)(const RowRanges&);
  void (*symmetric)(const RowRanges&);
  // The nearest integers to values * inverse, ties away from zero, plus zero, between min and 127; then xor flip.
  void (*quantize)(const float* values, int64_t count, float inverse, int32_t zero, int32_t min, uint8_t flip,
                   uint8_t* out);
};

const QuantizeRows* quantize_rows();  // null: the reference has to do

}  // namespace subgraft
