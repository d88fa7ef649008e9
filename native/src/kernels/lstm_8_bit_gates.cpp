// An LSTM with 8-bit activations and weights whose products with the input and with the state are 8 bits too: LSTM
// with 12 intermediate tensors. Its activations and normalizations are computed in float, as in TFLite.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>

#include "kernels/lstm.h"
#include "kernels/quantization.h"

namespace subgraft {
namespace {

using T = LstmTensors;

constexpr float kGateScale = 1.f / 4096;
constexpr int kIntermediates = 12;  // of each gate: its sum, its product with the input, and that with the state
constexpr float kCellScale = 1.f / 32768;

// Towards zero; TFLite converts what is no number or no int32_t as x86 does.
int32_t truncated(float x) {
  if (!(std::abs(x) < 2147483648.f)) return std::numeric_limits<int32_t>::min();
  return static_cast<int32_t>(x);
}

// 8-bit vectors times 8-bit weights, as 8-bit numbers.
struct Product {
  int weights = 0;  // which input
  Multiplier multiplier;
  int32_t in_zero = 0, out_zero = 0;
  Multiplier to_gate;  // from the product's scale to the gate's

  int32_t operator()(const Invocation& v, int64_t row, const int8_t* x, int64_t depth) const {
    const int8_t* weight = v.in<int8_t>(weights) + row * depth;
    uint32_t sum = 0;
    for (int64_t i = 0; i < depth; ++i) sum += static_cast<uint32_t>((x[i] - in_zero) * weight[i]);
    const int64_t scaled = rescale(static_cast<int32_t>(sum), multiplier);
    return rescale(saturate<int8_t>(scaled + out_zero) - out_zero, to_gate);
  }
};

struct Gate {
  Product input, state;
  float norm_scale = 1;
};

class EightBitGatesLstm {
 public:
  EightBitGatesLstm(Preparation& p, const LstmTensors& tensors, const LstmShape& shape) : t_(tensors), s_(shape) {
    if (!s_.cifg || s_.peephole || !s_.norm || !s_.projection || !p.has_input(t_.projection_bias()))
      p.unsupported(
          "8-bit gates with an input gate or peephole weights, or without layer normalization, projection or"
          " its bias");
    for (int i = 0; i < kIntermediates; ++i) p.require(p.intermediate(i) != nullptr, "has no intermediate tensor ", i);
    p.require(p.input(t_.cell_state).scale() == kCellScale && p.input(t_.cell_state).zero_point() == 0,
              "cell state has another scale than 1/32768");
    for (int gate = T::kForgetGate; gate < T::kGates; ++gate) read_gate(p, gate);
    // TFLite's kernel takes the multiplier and the zero point of the output gate's product with the state from beyond
    // the end of one table and from another place of the other. Its results are the reference.
    gates_[T::kOutputGate].state.to_gate.value = gates_[T::kForgetGate].state.to_gate.shift;
    gates_[T::kOutputGate].state.out_zero = gates_[T::kCellGate].input.out_zero;

    const Operand& state = p.input(t_.output_state);
    state_zero_ = state.zero_point();
    projection_ = quantize_multiplier(
        static_cast<float>(p.input(t_.projection()).scale() * std::ldexp(1.0, -15) / state.scale()), kMaxWideShift);
    if (s_.cell_clip > 0 && s_.cell_clip < 1) cell_clip_ = static_cast<int16_t>(s_.cell_clip / kCellScale);
    if (s_.projection_clip > 0)
      projection_clip_ = static_cast<int8_t>(std::min(s_.projection_clip / p.output(0).scale(), 127.f));
    gate_slot_ = p.scratch(T::kGates * s_.sequence.batch * s_.cell * int64_t{sizeof(int16_t)});
  }

  void run(const Invocation& v) const {
    const int64_t batch = s_.sequence.batch, count = batch * s_.cell;
    auto* gates = v.scratch<int16_t>(gate_slot_);
    auto* state = v.state<int8_t>(t_.output_state);
    auto* cell = v.state<int16_t>(t_.cell_state);
    multiply(v, state, gates);
    for (int gate = T::kForgetGate; gate < T::kGates; ++gate) finish(v, gate, gates + gate * count);
    const int16_t *forget = gates + count, *candidate = gates + 2 * count, *output_gate = gates + 3 * count;
    for (int64_t i = 0; i < count; ++i) {
      const int32_t kept = rounding_shift_right(forget[i] * cell[i], 15);
      const int32_t added = rounding_shift_right((32767 - forget[i]) * candidate[i], 15);
      cell[i] = saturate<int16_t>(int64_t{static_cast<int16_t>(kept)} + static_cast<int16_t>(added));
    }
    if (cell_clip_ > 0) clip(cell, count, cell_clip_);
    int16_t* hidden = gates;  // the input gate's place
    for (int64_t i = 0; i < count; ++i) {
      const int16_t tanh = quantized_tanh(static_cast<float>(cell[i]) * kCellScale);
      hidden[i] = static_cast<int16_t>(rounding_shift_right(output_gate[i] * tanh, 15));
    }
    project(v, hidden, state);
    std::copy_n(state, batch * s_.output, v.out<int8_t>(0));
  }

 private:
  void read_gate(const Preparation& p, int gate) {
    const auto scale = [&p](int i) { return p.intermediate(i)->scale(); };
    const int sum = 3 * gate, from_input = sum + 1, from_state = sum + 2;
    const Operand& input = p.input(T::kInput);
    const Operand& state = p.input(t_.output_state);
    Gate& g = gates_[gate];
    g.input.weights = t_.input_weights(gate);
    g.input.multiplier = quantize_multiplier(p.input(g.input.weights).scale() * input.scale() / scale(from_input));
    g.input.in_zero = input.zero_point();
    g.input.out_zero = p.intermediate(from_input)->zero_point();
    g.input.to_gate = quantize_multiplier(scale(from_input) / scale(sum));
    g.state.weights = t_.recurrent_weights(gate);
    g.state.multiplier = quantize_multiplier(p.input(g.state.weights).scale() * state.scale() / scale(from_state));
    g.state.in_zero = state.zero_point();
    g.state.out_zero = p.intermediate(from_state)->zero_point();
    g.state.to_gate = quantize_multiplier(scale(from_state) / scale(sum));
    const Multiplier norm = quantize_multiplier(p.input(t_.norm(gate)).scale());
    g.norm_scale = static_cast<float>(norm.value * std::ldexp(1.0, norm.shift - 31));
  }

  void multiply(const Invocation& v, const int8_t* state, int16_t* gates) const {
    const int64_t batch = s_.sequence.batch, rows = (T::kGates - 1) * s_.cell;
    const auto* input = v.in<int8_t>(T::kInput);
    v.parallel(rows, kRecurrentGrain / (batch * (s_.input + s_.output) + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int gate = T::kForgetGate + static_cast<int>(i / s_.cell);
        const int64_t row = i % s_.cell;
        for (int64_t b = 0; b < batch; ++b) {
          const int64_t sum = int64_t{gates_[gate].input(v, row, input + b * s_.input, s_.input)} +
                              gates_[gate].state(v, row, state + b * s_.output, s_.output);
          gates[(gate * batch + b) * s_.cell + row] = saturate<int16_t>(sum);
        }
      }
    });
  }

  // Layer normalization and activation.
  void finish(const Invocation& v, int gate, int16_t* values) const {
    for (int64_t b = 0; b < s_.sequence.batch; ++b) normalize(v, gate, values + b * s_.cell);
    for (int64_t i = 0; i < s_.sequence.batch * s_.cell; ++i) {
      const float real = static_cast<float>(values[i]) * kGateScale;
      values[i] = gate == T::kCellGate ? quantized_tanh(real) : in_q15(1.0f / (1.0f + std::exp(-real)));
    }
  }

  void normalize(const Invocation& v, int gate, int16_t* x) const {
    const auto* weights = v.in<int16_t>(t_.norm(gate));
    const auto* bias = v.in<int32_t>(t_.bias(gate));
    const float scale = gates_[gate].norm_scale, bias_scale = scale * (1.f / 1024);
    float sum = 0, squares = 0;
    for (int64_t i = 0; i < s_.cell; ++i) {
      const auto value = static_cast<float>(x[i]);
      sum += value;
      squares += value * value;
    }
    const auto count = static_cast<float>(s_.cell);
    const float mean = sum / count, variance = squares / count - mean * mean;
    const float inverse_deviation = 1.0f / std::sqrt(variance == 0 ? 1e-8f : variance);
    for (int64_t i = 0; i < s_.cell; ++i) {
      const float normal = (static_cast<float>(x[i]) - mean) * inverse_deviation;
      const float weighted = normal * static_cast<float>(weights[i]) * scale + static_cast<float>(bias[i]) * bias_scale;
      x[i] = saturate<int16_t>(int64_t{truncated(std::round(weighted * 4096.f))});
    }
  }

  static int16_t in_q15(float x) { return saturate<int16_t>(int64_t{truncated(x * 32768.f)}); }
  static int16_t quantized_tanh(float x) { return in_q15(std::tanh(x)); }

  void project(const Invocation& v, const int16_t* hidden, int8_t* state) const {
    const auto* weights = v.in<int8_t>(t_.projection());
    const auto* bias = v.in<int32_t>(t_.projection_bias());
    for (int64_t b = 0; b < s_.sequence.batch; ++b) {
      for (int64_t row = 0; row < s_.output; ++row) {
        int64_t sum = bias[row];
        for (int64_t i = 0; i < s_.cell; ++i) sum += hidden[b * s_.cell + i] * weights[row * s_.cell + i];
        state[b * s_.output + row] = saturate<int8_t>(int64_t{rescale_wide(sum, projection_)} + state_zero_);
      }
    }
    if (projection_clip_ > 0) clip(state, s_.sequence.batch * s_.output, projection_clip_);
  }

  LstmTensors t_;
  LstmShape s_;
  std::array<Gate, T::kGates> gates_;
  Multiplier projection_;
  int32_t state_zero_ = 0;
  int16_t cell_clip_ = 0;
  int8_t projection_clip_ = 0;
  int gate_slot_ = 0;
};

}  // namespace

Compute prepare_8_bit_gates_lstm(Preparation& p, const LstmTensors& tensors, const LstmShape& shape) {
  const auto lstm = std::make_shared<const EightBitGatesLstm>(p, tensors, shape);
  return [lstm](const Invocation& v) { lstm->run(v); };
}

}  // namespace subgraft
