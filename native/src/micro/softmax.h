// Rows of SOFTMAX and LOG_SOFTMAX on vectors.
#pragma once

#include <cstdint>

namespace subgraft {

// What a row of 8-bit inputs is made with: e^-i as Q0 for each distance i from the row's maximum.
struct SoftmaxTable {
  int32_t exp[256];
};

// What a row of 16-bit inputs is made with.
struct SoftmaxInterpolation {
  int32_t multiplier, shift;  // from a distance of inputs to units of 10 / 65535
  int16_t exp[514];           // e^x at 513 steps from -10 to 0, and one value more to read
};

// The last step of an integer row: 1 / sum of its exponentials as value / 2^shift.
struct SoftmaxScale {
  int32_t value, shift;
};
// How the sum of a row becomes the scale; an argument, as it is compiled once for all instruction sets.
using ScaleOfSum8 = SoftmaxScale (*)(int64_t sum, int output_bits);
using ScaleOfSum16 = SoftmaxScale (*)(int64_t sum, const void* table);

// Rows of `depth` > 0 neighbours; input and output may be the same memory. Integer results equal softmax_math.h's.
struct SoftmaxRows {
  // beta >= 0
  void (*real)(const float* in, float* out, int64_t rows, int64_t depth, float beta);
  void (*log)(const float* in, float* out, int64_t rows, int64_t depth);
  void (*int8_to_int8)(const int8_t* in, int8_t* out, int64_t rows, int64_t depth, const SoftmaxTable& table,
                       ScaleOfSum8 scale_of);
  void (*int8_to_int16)(const int8_t* in, int16_t* out, int64_t rows, int64_t depth, const SoftmaxTable& table,
                        ScaleOfSum8 scale_of);
  void (*uint8_to_uint8)(const uint8_t* in, uint8_t* out, int64_t rows, int64_t depth, const SoftmaxTable& table,
                         ScaleOfSum8 scale_of);
  void (*uint8_to_int16)(const uint8_t* in, int16_t* out, int64_t rows, int64_t depth, const SoftmaxTable& table,
                         ScaleOfSum8 scale_of);
  void (*int16_to_int16)(const int16_t* in, int16_t* out, int64_t rows, int64_t depth,
                         const SoftmaxInterpolation& table, ScaleOfSum16 scale_of, const void* scale_table);
};

const SoftmaxRows* softmax_rows();  // null: the reference has to do

}  // namespace subgraft
