// An LSTM with float or 8-bit weights; everything else is float.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/lstm.h"
#include "kernels/recurrent.h"
#include "kernels/recurrent_products.h"

namespace subgraft {

// Means of 0 and deviations of 1, then weights and bias.
inline void normalize(float* x, const float* weight, const float* bias, int64_t count) {
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(count);
  float squares = 0;
  for (int64_t i = 0; i < count; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const float inverse_deviation = 1 / std::sqrt(squares / static_cast<float>(count) + 1e-8f);
  for (int64_t i = 0; i < count; ++i) x[i] = (x[i] - mean) * inverse_deviation * weight[i] + bias[i];
}

inline void sigmoid(float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = 1 / (1 + std::exp(-x[i]));
}

template <typename Weight>
class FloatLstm {
  using T = LstmTensors;

 public:
  FloatLstm(Preparation& p, const LstmTensors& tensors, const LstmShape& shape) : t_(tensors), s_(shape) {
    activation_ = read_activation(p);
    if (activation_ == Activation::none) p.unsupported("no fused activation, where TFLite's result is undefined");
    const bool asymmetric = p.options().boolean("asymmetric_quantize_inputs");
    for (int gate = s_.first_gate(); gate < T::kGates; ++gate) {
      Gate& g = gates_[gate];
      g.input = Weights<Weight>(p, t_.input_weights(gate), asymmetric);
      g.diagonal = p.input(t_.recurrent_weights(gate)).shape.rank() == 1;
      if (!g.diagonal) g.recurrent = Weights<Weight>(p, t_.recurrent_weights(gate), asymmetric);
      if (s_.aux > 0) g.aux = Weights<Weight>(p, t_.aux_weights(gate), asymmetric);
      if (s_.has_peephole(gate)) g.peephole = Weights<Weight>(p, t_.peephole(gate), false);
    }
    if (s_.projection) {
      projection_ = Weights<Weight>(p, t_.projection(), asymmetric);
      has_projection_bias_ = p.has_input(t_.projection_bias());
    }
    const int64_t batch = s_.sequence.step_batch();
    gate_slot_ = p.scratch(T::kGates * batch * s_.cell * int64_t{sizeof(float)});
    hidden_slot_ = p.scratch(batch * s_.cell * int64_t{sizeof(float)});
    input_quantizer_ = Quantizer<Weight>(p, batch, s_.input, asymmetric);
    // The state and, when that is not needed any more, what is to be projected.
    state_quantizer_ = Quantizer<Weight>(p, batch, std::max(s_.output, s_.cell), asymmetric);
    if (s_.aux > 0) aux_quantizer_ = Quantizer<Weight>(p, batch, s_.aux, asymmetric);
    // Normalization, and states without bounds, magnify the last bits of sums: those keep the reference's order.
    if (!std::is_same_v<Weight, float> || s_.norm || activation_ != Activation::tanh) return;
    fast_ = FloatRecurrence(batch > 0 && FloatRecurrence::is_there({s_.input, s_.output, s_.cell}));
    if (fast_) sums_slot_ = p.scratch(T::kGates * batch * s_.cell * int64_t{sizeof(float)});
  }

  // `input` is the number of the input to read. Outputs lie `stride` elements apart.
  void run(const Invocation& v, int input, float* out, int64_t stride) const {
    for (int gate = s_.first_gate(); gate < T::kGates; ++gate) {
      gates_[gate].input.begin(v);
      gates_[gate].recurrent.begin(v);
      gates_[gate].aux.begin(v);
    }
    projection_.begin(v);
    s_.sequence.each_step([&](int64_t first, int64_t first_state) {
      step(v, v.in<float>(input) + first * s_.input, s_.aux > 0 ? v.in<float>(t_.aux_input) + first * s_.aux : nullptr,
           v.state<float>(t_.output_state) + first_state * s_.output,
           v.state<float>(t_.cell_state) + first_state * s_.cell, out + first * stride, stride);
    });
  }

 private:
  struct Gate {
    Weights<Weight> input, recurrent, aux, peephole;
    bool diagonal = false;
  };

  // The vectors that a step multiplies with.
  struct Given {
    Vectors<Weight> input, state, aux;
    const float* real_state;
  };

  void step(const Invocation& v, const float* input, const float* aux, float* state, float* cell, float* out,
            int64_t stride) const {
    const int64_t batch = s_.sequence.step_batch(), count = batch * s_.cell;
    float* gates = v.scratch<float>(gate_slot_);
    float* hidden = v.scratch<float>(hidden_slot_);
    Given given{input_quantizer_(v, input, batch, s_.input), state_quantizer_(v, state, batch, s_.output), {}, state};
    if (aux) given.aux = aux_quantizer_(v, aux, batch, s_.aux);

    multiply(v, given, gates);
    for (int gate = s_.first_gate(); gate < T::kOutputGate; ++gate) finish(v, gate, cell, gates + gate * count);
    update(gates, cell);
    finish(v, T::kOutputGate, cell, gates + T::kOutputGate * count);

    activate_all(cell, hidden, count);
    for (int64_t i = 0; i < count; ++i) hidden[i] *= gates[T::kOutputGate * count + i];
    if (s_.projection)
      project(v, state_quantizer_(v, hidden, batch, s_.cell), state);
    else
      std::copy_n(hidden, batch * s_.output, state);
    for (int64_t b = 0; b < batch; ++b) std::copy_n(state + b * s_.output, s_.output, out + b * stride);
  }

  // All gates' bias + weights input (+ weights aux) + recurrent weights state.
  void multiply(const Invocation& v, const Given& given, float* gates) const {
    if constexpr (std::is_same_v<Weight, float>)
      if (fast_) return multiply_on_vectors(v, given, gates);
    const int64_t batch = s_.sequence.step_batch(), rows = (T::kGates - s_.first_gate()) * s_.cell;
    const int64_t products = batch * (s_.input + s_.aux + s_.output);
    v.parallel(rows, kRecurrentGrain / (products + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int gate = s_.first_gate() + static_cast<int>(i / s_.cell);
        const int64_t row = i % s_.cell;
        const Gate& g = gates_[gate];
        const Matrix<Weight> weights = g.input.at(v);
        const float bias = s_.norm ? 0 : v.in<float>(t_.bias(gate))[row];
        for (int64_t b = 0; b < batch; ++b) {
          float sum = bias + product(weights, row, given.input, b);
          if (s_.aux > 0) sum += product(g.aux.at(v), row, given.aux, b);
          sum += g.diagonal ? v.in<float>(t_.recurrent_weights(gate))[row] * given.real_state[b * s_.output + row]
                            : product(g.recurrent.at(v), row, given.state, b);
          gates[(gate * batch + b) * s_.cell + row] = sum;
        }
      }
    });
  }

  void multiply_on_vectors(const Invocation& v, const Given& given, float* gates) const {
    const int64_t batch = s_.sequence.step_batch(), rows = (T::kGates - s_.first_gate()) * s_.cell;
    const int64_t grain = FloatRecurrence::grain(batch * (s_.input + s_.aux + s_.output));
    v.parallel(rows, grain, [&](int64_t begin, int64_t end) {
      while (begin < end) {
        const int64_t first = begin / s_.cell * s_.cell, last = std::min(end, first + s_.cell);
        multiply_gate(v, s_.first_gate() + static_cast<int>(begin / s_.cell), begin - first, last - first, given,
                      gates);
        begin = last;
      }
    });
  }

  // Rows [begin, end) of one gate.
  void multiply_gate(const Invocation& v, int gate, int64_t begin, int64_t end, const Given& given,
                     float* gates) const {
    const int64_t batch = s_.sequence.step_batch(), at = gate * batch * s_.cell;
    const Gate& g = gates_[gate];
    float *out = gates + at, *sums = v.scratch<float>(sums_slot_) + at;
    const auto add = [&](const Weights<float>& weights, const Vectors<float>& x) {
      fast_.multiply(weights.at(v), x, batch, begin, end, nullptr, sums, s_.cell);
      for (int64_t b = 0; b < batch; ++b)
        for (int64_t row = begin; row < end; ++row) out[b * s_.cell + row] += sums[b * s_.cell + row];
    };
    fast_.multiply(g.input.at(v), given.input, batch, begin, end, v.in<float>(t_.bias(gate)), out, s_.cell);
    if (s_.aux > 0) add(g.aux, given.aux);
    if (!g.diagonal) return add(g.recurrent, given.state);
    const float* diagonal = v.in<float>(t_.recurrent_weights(gate));
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t row = begin; row < end; ++row)
        out[b * s_.cell + row] += diagonal[row] * given.real_state[b * s_.output + row];
  }

  // Peephole, layer normalization and activation of one gate.
  void finish(const Invocation& v, int gate, const float* cell, float* values) const {
    const int64_t batch = s_.sequence.step_batch();
    if (s_.has_peephole(gate)) {
      const Weight* weights = v.in<Weight>(t_.peephole(gate));
      for (int64_t i = 0; i < batch * s_.cell; ++i)
        values[i] += gates_[gate].peephole.scale() * static_cast<float>(weights[i % s_.cell]) * cell[i];
    }
    if (s_.norm) {
      for (int64_t b = 0; b < batch; ++b)
        normalize(values + b * s_.cell, v.in<float>(t_.norm(gate)), v.in<float>(t_.bias(gate)), s_.cell);
    }
    if (gate == T::kCellGate)
      activate_all(values, values, batch * s_.cell);
    else if (fast_)
      fast_.sigmoid(values, batch * s_.cell);
    else
      sigmoid(values, batch * s_.cell);
  }

  void activate_all(const float* in, float* out, int64_t count) const {
    if (fast_)
      fast_.tanh(in, out, count);
    else
      activate(activation_, in, out, count);
  }

  void update(const float* gates, float* cell) const {
    const int64_t count = s_.sequence.step_batch() * s_.cell;
    const float *input = gates, *forget = gates + count, *candidate = gates + 2 * count;
    for (int64_t i = 0; i < count; ++i)
      cell[i] = forget[i] * cell[i] + candidate[i] * (s_.cifg ? 1 - forget[i] : input[i]);
    if (s_.cell_clip > 0) clip(cell, count, s_.cell_clip);
  }

  void project(const Invocation& v, const Vectors<Weight>& hidden, float* state) const {
    const int64_t batch = s_.sequence.step_batch();
    const Matrix<Weight> weights = projection_.at(v);
    const float* biases = has_projection_bias_ ? v.in<float>(t_.projection_bias()) : nullptr;
    if constexpr (std::is_same_v<Weight, float>) {
      if (fast_) {
        v.parallel(s_.output, FloatRecurrence::grain(batch * s_.cell), [&](int64_t begin, int64_t end) {
          fast_.multiply(weights, hidden, batch, begin, end, biases, state, s_.output);
        });
        if (s_.projection_clip > 0) clip(state, batch * s_.output, s_.projection_clip);
        return;
      }
    }
    v.parallel(s_.output, kRecurrentGrain / (batch * s_.cell) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const float bias = biases ? biases[row] : 0;
        for (int64_t b = 0; b < batch; ++b) state[b * s_.output + row] = bias + product(weights, row, hidden, b);
      }
    });
    if (s_.projection_clip > 0) clip(state, batch * s_.output, s_.projection_clip);
  }

  LstmTensors t_;
  LstmShape s_;
  Activation activation_ = Activation::tanh;
  bool has_projection_bias_ = false;
  std::array<Gate, T::kGates> gates_;
  Weights<Weight> projection_;
  Quantizer<Weight> input_quantizer_, state_quantizer_, aux_quantizer_;
  int gate_slot_ = 0, hidden_slot_ = 0, sums_slot_ = 0;
  FloatRecurrence fast_{false};
};

}  // namespace subgraft
