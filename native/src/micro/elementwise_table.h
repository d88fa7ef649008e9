// The table of one instruction set; included after the bodies and what they leave to the set.
#pragma once

#include "micro/elementwise_floats_body.h"
#include "micro/elementwise_pairs_body.h"
#include "micro/elementwise_tables_body.h"

namespace subgraft {
namespace {

constexpr Elementwise elementwise_table(MapFunction look_up, MapFunction widen_half) {
  Elementwise t{};
  t.add = Pairs<Add>::functions();
  t.subtract = Pairs<Subtract>::functions();
  t.multiply = Pairs<Multiply>::functions();
  t.divide = Pairs<Divide>::functions();
  t.maximum = Pairs<Maximum<float>>::functions();
  t.minimum = Pairs<Minimum<float>>::functions();
  t.squared_difference = Pairs<SquaredDifference>::functions();
  t.prelu = Pairs<Prelu>::functions();
  t.of_int8 = quantized_functions<int8_t>();
  t.of_uint8 = quantized_functions<uint8_t>();
  t.of_int16 = quantized_functions<int16_t>();
  t.add_int32 = Pairs<AddInts>::functions();
  t.subtract_int32 = Pairs<SubtractInts>::functions();
  t.multiply_int32 = Pairs<MultiplyInts>::functions();
  t.maximum_int32 = Pairs<Maximum<int32_t>>::functions();
  t.minimum_int32 = Pairs<Minimum<int32_t>>::functions();
  t.squared_difference_int32 = Pairs<SquaredDifferenceOfInts>::functions();
  t.logistic = map_floats<Logistic>;
  t.tanh = map_floats<Tanh>;
  t.exp = map_floats<Exp>;
  t.log = map_floats<Log>;
  t.elu = map_floats<Elu>;
  t.gelu = map_floats<Gelu>;
  t.gelu_by_tanh = map_floats<GeluByTanh>;
  t.hard_swish = map_floats<HardSwish>;
  t.abs = map_floats<Abs>;
  t.negate = map_floats<Negate>;
  t.sqrt = map_floats<Sqrt>;
  t.inverse_sqrt = map_floats<InverseSqrt>;
  t.square = map_floats<Square>;
  t.round_down = map_floats<RoundDown>;
  t.round_up = map_floats<RoundUp>;
  t.round_to_even = map_floats<RoundToEven>;
  t.clamp = map_floats<Clamp>;
  t.leaky_relu = map_floats<LeakyRelu>;
  t.look_up = look_up;
  t.lines_of_16 = lines_of_16;
  t.logistic_of_16 = sigmoid_of_16<false>;
  t.tanh_of_16 = sigmoid_of_16<true>;
  t.quantize_to_int8 = quantize<int8_t>;
  t.quantize_to_uint8 = quantize<uint8_t>;
  t.quantize_to_int16 = quantize<int16_t>;
  t.dequantize_int8 = dequantize<int8_t>;
  t.dequantize_uint8 = dequantize<uint8_t>;
  t.dequantize_int16 = dequantize<int16_t>;
  t.widen_half = widen_half;
  return t;
}

}  // namespace
}  // namespace subgraft
