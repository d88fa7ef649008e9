// Floats quantized to 8 bits while running, with the roundings of kernels/dynamic_range.h.
#pragma once

#include <cstdint>

namespace subgraft {

struct QuantizeRows {
  // The least and the greatest of `count` values and 0; NaN does not count.
  void (*range)(const float* values, int64_t count, float& low, float& high);
  // The nearest integers to values * inverse, ties away from zero, plus zero, between min and 127; then xor flip.
  void (*quantize)(const float* values, int64_t count, float inverse, int32_t zero, int32_t min, uint8_t flip,
                   uint8_t* out);
};

const QuantizeRows* quantize_rows();  // null: the reference has to do

}  // namespace subgraft
