// The products of an integer LSTM's gates on vectors: those of the inputs for many steps at once, those of the state
// step by step.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/lstm.h"
#include "micro/finish_sums.h"
#include "micro/gemm_int8.h"
#include "micro/lstm_steps.h"
#include "micro/packed_int8.h"

namespace subgraft {

// One gate's weights, [cell, depth] of int8 at an input of the op, and how their sums are scaled.
struct GateWeights {
  int input;
  Multiplier multiplier;
  const std::vector<int32_t>* bias;  // of each cell, with what zero points contribute
};

// Vectors of int8 times the weights of several gates.
class GateProducts {
 public:
  GateProducts(Preparation& p, const std::vector<GateWeights>& gates, int64_t cell, int64_t depth);

  int64_t panel_bytes(int64_t rows) const;
  // Copies so many vectors to a panel, as products want them.
  void fill(const int8_t* x, int64_t rows, uint8_t* panel) const;

  // finish(gate of those given, multiplier, block of sums, its first row, its first channel)
  template <typename Finish>
  void multiply(const Invocation& v, const uint8_t* panel, int64_t rows, const Finish& finish) const {
    v.parallel(static_cast<int64_t>(gates_.size()) * chunks_, grain(rows), [&](int64_t begin, int64_t end) {
      alignas(64) int32_t sums[kRows * kStride];
      const bool in_tiles = gemm_->begin && rows >= gemm_->begin_rows;
      if (in_tiles) gemm_->begin();
      for (int64_t i = begin; i < end; ++i) {
        const Gate& gate = gates_[static_cast<size_t>(i / chunks_)];
        const int64_t block = i % chunks_ * kBlocks, blocks = std::min(kBlocks, gate.weights->blocks() - block);
        for (int64_t row = 0; row < rows; row += kRows)
          finish(i / chunks_, gate, sums_of(gate, panel, row, std::min(kRows, rows - row), block, blocks, sums), row,
                 block * kInt8Channels);
      }
      if (in_tiles) gemm_->end();
    });
  }

  struct Gate {
    std::shared_ptr<const PackedInt8> weights;
    Multiplier multiplier;
    std::vector<int32_t> initial, multipliers, shifts;  // of whole blocks of channels
  };

 private:
  static constexpr int64_t kRows = 64, kBlocks = 4, kStride = kBlocks * kInt8Channels;

  int64_t grain(int64_t rows) const;
  SumBlock sums_of(const Gate& gate, const uint8_t* panel, int64_t row, int64_t rows, int64_t block, int64_t blocks,
                   int32_t* sums) const;

  const Int8Gemm* gemm_;
  int64_t depth_, stride_, chunks_;  // chunks: of channels of each gate
  std::vector<Gate> gates_;
};

class LstmProducts {
 public:
  // Null where there are no kernels. `state`: the same gates' weights of the state.
  static std::shared_ptr<const LstmProducts> make(Preparation& p, const LstmShape& s,
                                                  const std::vector<GateWeights>& input,
                                                  const std::vector<GateWeights>& state);

  int64_t most_rows() const { return most_rows_; }  // of take_inputs()
  void take_inputs(const Invocation& v, const int8_t* inputs, int64_t rows) const;
  // gates[gate * step_batch + b][cell], before activation: of the inputs from `row` on, and of the state.
  void run_step(const Invocation& v, int64_t row, const int8_t* state, int16_t* gates) const;

 private:
  LstmProducts(Preparation& p, const LstmShape& s, const std::vector<GateWeights>& input,
               const std::vector<GateWeights>& state);

  const LstmSteps* steps_;
  const FinishSums* finish_;
  int64_t batch_, cell_, most_rows_;
  GateProducts input_, state_;
  int panel_slot_, input_slot_, state_slot_;
};

}  // namespace subgraft
