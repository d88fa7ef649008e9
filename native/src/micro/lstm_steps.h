// The elementwise part of an LSTM with 16-bit gates, with the roundings of core/fixed_point_functions.h.
#pragma once

#include <cstdint>

namespace subgraft {

struct LstmSteps {
  // fixed::logistic<3> and, by the number of integer bits, fixed::tanh. In and out may be the same.
  void (*logistic)(const int16_t* in, int64_t count, int16_t* out);
  void (*tanh[7])(const int16_t* in, int64_t count, int16_t* out);
  // out = the sums, scaled (Multiplier's value and shift), plus `others`, saturated.
  void (*add_products)(const int32_t* sums, int64_t count, int32_t multiplier, int32_t shift, const int16_t* others,
                       int16_t* out);
  // cell = forget * cell / 2^15 + input * candidate / 2^shift, each rounded, saturated. input: null for 32767 - forget.
  void (*update)(const int16_t* input, const int16_t* forget, const int16_t* candidate, int64_t count, int shift,
                 int16_t* cell);
  // out = gate * tanh, scaled, plus the zero point, saturated.
  void (*hidden)(const int16_t* gate, const int16_t* tanh, int64_t count, int32_t multiplier, int32_t shift,
                 int32_t zero_point, int8_t* out);
};

const LstmSteps* lstm_steps();  // null: the reference has to do

}  // namespace subgraft
