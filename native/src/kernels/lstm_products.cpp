#include "kernels/lstm_products.h"

#include <algorithm>

#include "kernels/int8_layer.h"

namespace subgraft {
namespace {

constexpr uint8_t kSign = 0x80;  // int8 as unsigned bytes

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

GateProducts::GateProducts(Preparation& p, const std::vector<GateWeights>& gates, int64_t cell, int64_t depth)
    : gemm_(int8_gemm()), depth_(depth), stride_(round_up(depth, kInt8Depth)), chunks_((cell + kStride - 1) / kStride) {
  for (const GateWeights& of : gates) {
    Gate gate{packed_weights(p, of.input, cell, depth, 0), of.multiplier, *of.bias, {}, {}};
    const auto size = static_cast<size_t>(gate.weights->blocks() * kInt8Channels);
    gate.initial.resize(size);
    for (size_t i = 0; i < size; ++i) {
      const uint32_t offset = uint32_t{kSign} * static_cast<uint32_t>(gate.weights->weight_sums()[i]);
      gate.initial[i] = static_cast<int32_t>(static_cast<uint32_t>(gate.initial[i]) - offset);
    }
    gate.multipliers.assign(size, of.multiplier.value);
    gate.shifts.assign(size, of.multiplier.shift);
    gates_.push_back(std::move(gate));
    p.release(of.input);
  }
}

int64_t GateProducts::panel_bytes(int64_t rows) const {
  // Of more than kRows the last ones are a product of their own, which reads as many rows as any.
  return round_up(rows, gemm_->least_rows) * stride_ + kInt8Depth;
}

void GateProducts::fill(const int8_t* x, int64_t rows, uint8_t* panel) const {
  for (int64_t r = 0; r < rows; ++r, x += depth_, panel += stride_)
    for (int64_t i = 0; i < depth_; ++i) panel[i] = static_cast<uint8_t>(x[i]) ^ kSign;
}

int64_t GateProducts::grain(int64_t rows) const {
  constexpr int64_t kWorthAPiece = 1 << 19;
  return kWorthAPiece / (rows * depth_ * kStride + 1) + 1;
}

SumBlock GateProducts::sums_of(const Gate& gate, const uint8_t* panel, int64_t row, int64_t rows, int64_t block,
                               int64_t blocks, int32_t* sums) const {
  const int64_t channel = block * kInt8Channels;
  gemm_->multiply_unsigned({panel + row * stride_, stride_, rows, depth_, gate.weights->block(block), blocks,
                            gate.initial.data() + channel, sums, kStride});
  return {sums, kStride, rows, std::min(kStride, gate.weights->channels() - channel), nullptr};
}

std::shared_ptr<const LstmProducts> LstmProducts::make(Preparation& p, const LstmShape& s,
                                                       const std::vector<GateWeights>& input,
                                                       const std::vector<GateWeights>& state) {
  if (!lstm_steps() || !int8_gemm() || s.input == 0 || s.output == 0 || s.cell == 0) return nullptr;
  if (s.sequence.step_batch() == 0 || s.sequence.time == 0) return nullptr;
  return std::shared_ptr<const LstmProducts>(new LstmProducts(p, s, input, state));
}

LstmProducts::LstmProducts(Preparation& p, const LstmShape& s, const std::vector<GateWeights>& input,
                           const std::vector<GateWeights>& state)
    : steps_(lstm_steps()),
      finish_(finish_sums()),
      batch_(s.sequence.step_batch()),
      cell_(s.cell),
      input_(p, input, s.cell, s.input),
      state_(p, state, s.cell, s.output) {
  constexpr int64_t kRows = 64;
  most_rows_ = std::min(s.sequence.time, std::max<int64_t>(1, kRows / batch_)) * batch_;
  panel_slot_ = p.scratch(input_.panel_bytes(most_rows_));
  input_slot_ = p.scratch(static_cast<int64_t>(LstmTensors::kGates) * most_rows_ * cell_ * int64_t{sizeof(int16_t)});
  state_slot_ = p.scratch(state_.panel_bytes(batch_));
}

void LstmProducts::take_inputs(const Invocation& v, const int8_t* inputs, int64_t rows) const {
  auto* panel = v.scratch<uint8_t>(panel_slot_);
  input_.fill(inputs, rows, panel);
  input_.multiply(v, panel, rows,
                  [&](int64_t gate, const GateProducts::Gate& of, const SumBlock& block, int64_t row, int64_t channel) {
                    const FixedScale scale{nullptr, of.multipliers.data(), of.shifts.data(), 0, INT16_MIN, INT16_MAX};
                    finish_->fixed_to_int16(
                        block, scale, v.scratch<int16_t>(input_slot_) + (gate * most_rows_ + row) * cell_ + channel,
                        cell_);
                  });
}

void LstmProducts::run_step(const Invocation& v, int64_t row, const int8_t* state, int16_t* gates) const {
  auto* panel = v.scratch<uint8_t>(state_slot_);
  state_.fill(state, batch_, panel);
  state_.multiply(v, panel, batch_,
                  [&](int64_t gate, const GateProducts::Gate& of, const SumBlock& block, int64_t b, int64_t channel) {
                    for (int64_t r = 0; r < block.rows; ++r) {
                      const int64_t at = (b + r) * cell_ + channel;
                      steps_->add_products(block.sums + r * block.stride, block.channels, of.multiplier.value,
                                           of.multiplier.shift,
                                           v.scratch<int16_t>(input_slot_) + (gate * most_rows_ + row) * cell_ + at,
                                           gates + gate * batch_ * cell_ + at);
                    }
                  });
}

}  // namespace subgraft
