// Functions of one or two elements for whole tensors, one table of them for each instruction set.
#pragma once

#include <cstdint>

namespace subgraft {

// Rows of `n` outputs each, one after the other. Row r reads each input from element r * step on: n elements, or that
// one alone, where the function is one that repeats the input.
struct PairRows {
  int64_t rows, n;
  int64_t a_step, b_step;
};

// The output may be the memory of an input that has as many elements.
using PairFunction = void (*)(const void* parameters, const void* a, const void* b, void* out, const PairRows& rows);

struct PairFunctions {
  PairFunction both;       // n elements of both inputs in a row
  PairFunction b_repeats;  // one of input b
  PairFunction a_repeats;
};

using MapFunction = void (*)(const void* parameters, const void* in, void* out, int64_t n);

// The parameters of functions that clamp.
struct FloatRange {
  float low, high;  // NaN stays NaN
};
struct IntRange {
  int32_t low, high;
};

// x * multiplier * 2^(-31 - right), rounded twice, as rescale() of core/fixed_point.h.
struct Scaling {
  int32_t multiplier = 0;  // not negative
  int32_t left = 0;        // x is shifted before it is multiplied and has to have room for it
  int32_t right = 0;
};

// Scaled sums and differences: each input less its zero point is brought to a common scale.
struct QuantizedPair {
  int32_t zero_point[2] = {};
  Scaling input[2];  // of the number with kSumBits, ... more bits; no left shifts
  Scaling output;
  int32_t output_zero_point = 0;
  IntRange range;
};

// More bits that inputs are given before they are scaled.
inline constexpr int kSumBitsOf8 = 20, kSumBitsOf16 = 15, kDifferenceBitsOf8 = 7, kDifferenceBitsOf16 = 0;

// The nearest whole number to the sum of the inputs, less their zero points, times the factors, ties to even, plus the
// output's zero point. It is not the reference's, but may give the same for all inputs.
struct FloatPair {
  float factor[2];
  int32_t zero_point[2];
  int32_t output_zero_point;
  IntRange range;
};

// x is scaled where it is not negative, else x times the slope.
struct QuantizedPrelu {
  int32_t zero_point[2];
  Scaling positive, negative;
  int32_t output_zero_point;
  IntRange range;
};

// One number on another scale, with one of its own for those below the zero point.
struct QuantizedMap {
  int32_t zero_point;
  Scaling positive, negative;
  bool is_negated;  // what was below the zero point
  int32_t output_zero_point;
  IntRange range;
};

// LOGISTIC and TANH of int16: what sigmoid_table.h says.
struct SigmoidMap {
  int32_t multiplier, shift;
  uint16_t points[256];
};

struct Quantization32 {
  float scale;
  int32_t zero_point;
};

struct Elementwise {
  // float32, with FloatRange but for the last four, which take none.
  PairFunctions add, subtract, multiply, divide, maximum, minimum, squared_difference, prelu;

  // By the type of elements. With QuantizedPair.
  struct Quantized {
    PairFunctions add, subtract, multiply, squared_difference;
    PairFunctions maximum, minimum;                 // of the numbers as they are; no parameters
    PairFunctions float_sum;                        // FloatPair
    PairFunctions prelu;                            // QuantizedPrelu
    MapFunction rescale_to_int8, rescale_to_int16;  // QuantizedMap
  } of_int8, of_uint8, of_int16;

  // int32, with IntRange but for the last three, which take none.
  PairFunctions add_int32, subtract_int32, multiply_int32, maximum_int32, minimum_int32, squared_difference_int32;

  // float32; no parameters where none are named.
  MapFunction logistic, tanh, exp, log, elu, gelu, gelu_by_tanh, hard_swish;
  MapFunction abs, negate, sqrt, inverse_sqrt, square, round_down, round_up, round_to_even;
  MapFunction clamp;       // FloatRange
  MapFunction leaky_relu;  // float: the slope below 0

  MapFunction look_up;                     // bytes; the parameters are the table of 256
  MapFunction lines_of_16;                 // int16; the parameters are 513 values of int16, as of LinesOfInt16
  MapFunction logistic_of_16, tanh_of_16;  // int16; SigmoidMap
  MapFunction quantize_to_int8, quantize_to_uint8, quantize_to_int16;  // of float32; Quantization32
  MapFunction dequantize_int8, dequantize_uint8, dequantize_int16;     // to float32; Quantization32
  MapFunction widen_half;                                              // float16 to float32
};

// Null where only the generic kernels run.
const Elementwise* elementwise();

}  // namespace subgraft
