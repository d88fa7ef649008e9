// What the kernels of LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM and BIDIRECTIONAL_SEQUENCE_LSTM have in common: where their
// inputs are, and their sizes.
#pragma once

#include <cstdint>

#include "kernels/recurrent.h"
#include "runtime/kernel.h"

namespace subgraft {

// The inputs of one direction; gates count 0 input, 1 forget, 2 cell, 3 output.
struct LstmTensors {
  static constexpr int kInput = 0;
  static constexpr int kInputGate = 0, kForgetGate = 1, kCellGate = 2, kOutputGate = 3, kGates = 4;

  int first = 1;  // the 17 weights and biases from here on
  int output_state = 18, cell_state = 19;
  int first_norm = 20;
  int aux_input = -1, first_aux = -1;  // -1: there is none

  constexpr int input_weights(int gate) const { return first + gate; }
  constexpr int recurrent_weights(int gate) const { return first + 4 + gate; }
  constexpr int peephole(int gate) const { return first + (gate == kOutputGate ? 10 : 8 + gate); }  // no cell gate's
  constexpr int bias(int gate) const { return first + 11 + gate; }
  constexpr int projection() const { return first + 15; }
  constexpr int projection_bias() const { return first + 16; }
  constexpr int norm(int gate) const { return first_norm + gate; }
  constexpr int aux_weights(int gate) const { return first_aux + gate; }
};

struct LstmShape {
  Sequence sequence;
  int64_t input = 0, aux = 0, cell = 0, output = 0;  // elements of one vector; aux: 0 without weights of its own
  bool cifg = false;                                 // the input gate is 1 - the forget gate
  bool peephole = false, projection = false, norm = false;
  float cell_clip = 0, projection_clip = 0;  // 0: none

  int first_gate() const { return cifg ? LstmTensors::kForgetGate : LstmTensors::kInputGate; }
  bool has_peephole(int gate) const { return peephole && gate != LstmTensors::kCellGate; }
};

// With int8 activations and weights: 16-bit gates and cell state, or gates of 8 bits (12 intermediate tensors).
Compute prepare_integer_lstm(Preparation& p, const LstmTensors& tensors, const LstmShape& shape);
Compute prepare_8_bit_gates_lstm(Preparation& p, const LstmTensors& tensors, const LstmShape& shape);

// LSTM with the kernel type BASIC: five inputs, four outputs.
Compute prepare_basic_lstm(Preparation& p);

}  // namespace subgraft
