// What the float and the integer UNIDIRECTIONAL_SEQUENCE_LSTM have in common: its inputs by name and its sizes.
#pragma once

#include <cstdint>

#include "runtime/kernel.h"

namespace subgraft {

struct LstmInputs {
  static constexpr int kInput = 0;
  static constexpr int kProjection = 16, kProjectionBias = 17;
  static constexpr int kOutputState = 18, kCellState = 19;
  static constexpr int kCount = 24, kCountWithoutNorm = 20;

  // Of a gate: 0 input, 1 forget, 2 cell, 3 output.
  static constexpr int input_weights(int gate) { return 1 + gate; }
  static constexpr int recurrent_weights(int gate) { return 5 + gate; }
  static constexpr int peephole(int gate) { return gate == kOutputGate ? 11 : 9 + gate; }  // not of the cell gate
  static constexpr int bias(int gate) { return 12 + gate; }
  static constexpr int norm(int gate) { return 20 + gate; }

  static constexpr int kInputGate = 0, kForgetGate = 1, kCellGate = 2, kOutputGate = 3, kGates = 4;
};

struct LstmShape {
  int64_t time = 0, batch = 0;              // of the input
  int64_t input = 0, cell = 0, output = 0;  // elements of one vector
  bool time_major = false;
  bool cifg = false;  // the input gate is 1 - the forget gate
  bool peephole = false, projection = false, norm = false;
  float cell_clip = 0, projection_clip = 0;  // 0: none

  int first_gate() const { return cifg ? LstmInputs::kForgetGate : LstmInputs::kInputGate; }
  bool has_peephole(int gate) const { return peephole && gate != LstmInputs::kCellGate; }

  // Vectors that one step computes side by side: batch-major sequences run one after the other.
  int64_t step_batch() const { return time_major ? batch : 1; }

  // step(first vector of the input and the output, first vector of the states), in order of time.
  template <typename Step>
  void each_step(Step&& step) const {
    if (batch == 0) return;
    if (time_major) {
      for (int64_t t = 0; t < time; ++t) step(t * batch, int64_t{0});
    } else {
      for (int64_t b = 0; b < batch; ++b)
        for (int64_t t = 0; t < time; ++t) step(b * time + t, b);
    }
  }
};

// Multiplications that are worth a thread.
constexpr int64_t kLstmGrain = 32768;

Compute prepare_integer_lstm(Preparation& p, const LstmShape& shape);

}  // namespace subgraft
