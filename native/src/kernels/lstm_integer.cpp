// An LSTM with 8-bit activations and weights, 16-bit gates and cell state.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "core/fixed_point_functions.h"
#include "kernels/lstm.h"
#include "kernels/lstm_products.h"
#include "kernels/quantization.h"

namespace subgraft {
namespace {

using T = LstmTensors;

// Gates are Q3.12 before their activation, unless layer normalization gives them a scale of its own.
constexpr float kGateScale = 1.f / 4096;
constexpr int kGateBits = 3;
constexpr int kHidden = 4;  // the intermediate tensor after those of the four gates

// A product of int8 vectors, with what their zero points contribute in the bias.
struct Product {
  Multiplier multiplier;
  std::vector<int32_t> bias;

  int64_t operator()(const int8_t* row, const int8_t* x, int64_t depth, int64_t i) const {
    return rescale(fixed::add(dot(row, x, depth), bias[i]), multiplier);
  }
};

struct Norm {
  Multiplier multiplier;
  int32_t least_variance = 1;
};

// Mean 0 and deviation 1 with 10 bits below the point, then weights and bias, then Q3.12.
void normalize(int16_t* x, const int16_t* weight, const int32_t* bias, int64_t count, const Norm& norm) {
  int64_t sum = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) {
    sum += x[i];
    squares += x[i] * x[i];
  }
  const int32_t mean = static_cast<int32_t>(sum * 1024 / count);
  const int64_t reciprocal = (1 << 20) / count;  // rounded down: exact for powers of two
  const auto variance = static_cast<int32_t>((squares * reciprocal - int64_t{mean} * mean) / (1 << 20));
  const Multiplier inverse_deviation = fixed::inverse_sqrt(variance < 1 ? norm.least_variance : variance);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t normal = rescale(1024 * x[i] - mean, inverse_deviation);
    const uint32_t product = static_cast<uint32_t>(normal) * static_cast<uint32_t>(int32_t{weight[i]});
    const int64_t weighted = fixed::add(static_cast<int32_t>(product), bias[i]);
    const auto rounded = static_cast<int32_t>((weighted > 0 ? weighted + 512 : weighted - 512) / 1024);
    x[i] = saturate<int16_t>(int64_t{rescale(rounded, {norm.multiplier.value, norm.multiplier.shift + 12})});
  }
}

template <int IntegerBits>
void tanh_all(const int16_t* in, int16_t* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = fixed::tanh<IntegerBits>(in[i]);
}

void tanh_all(int integer_bits, const int16_t* in, int16_t* out, int64_t count) {
  constexpr void (*functions[])(const int16_t*, int16_t*, int64_t) = {
      tanh_all<0>, tanh_all<1>, tanh_all<2>, tanh_all<3>, tanh_all<4>, tanh_all<5>, tanh_all<6>};
  functions[integer_bits](in, out, count);
}
constexpr int kMaxTanhBits = 6;

class IntegerLstm {
 public:
  IntegerLstm(Preparation& p, const LstmTensors& tensors, const LstmShape& shape) : t_(tensors), s_(shape) {
    if (s_.peephole && s_.output > s_.cell) p.unsupported("peephole weights with more outputs than cells");
    for (int i = 0; i <= kHidden; ++i) p.require(p.intermediate(i) != nullptr, "has no intermediate tensor ", i);
    read_cell_state(p);
    const Operand& state = p.input(t_.output_state);
    state_zero_point_ = state.zero_point();
    for (int gate = s_.first_gate(); gate < T::kGates; ++gate) read_gate(p, gate, state);

    const Operand& hidden = *p.intermediate(kHidden);
    const float hidden_scale = hidden.scale();
    hidden_zero_point_ = hidden.zero_point();
    hidden_ = quantize_multiplier(static_cast<float>(std::ldexp(std::ldexp(1.0, -15) / hidden_scale, -15)));
    if (s_.projection) {
      const float scale = p.input(t_.projection()).scale() * hidden_scale / state.scale();
      projection_ = product(p, t_.projection(), t_.projection_bias(), hidden_zero_point_, scale);
    }
    if (s_.projection_clip > 0)
      projection_clip_ = static_cast<int8_t>(std::min(s_.projection_clip / p.output(0).scale(), 127.f));
    const int64_t count = s_.sequence.step_batch() * s_.cell;
    gate_slot_ = p.scratch(T::kGates * count * int64_t{sizeof(int16_t)});
    hidden_slot_ = p.scratch(count);
    make_products(p);
  }

  void run(const Invocation& v) const {
    if (products_) return run_on_vectors(v);
    s_.sequence.each_step([&](int64_t first, int64_t first_state) {
      step(v, first, first_state, [&](const int8_t* state, int16_t* gates) {
        multiply(v, v.in<int8_t>(T::kInput) + first * s_.input, state, gates);
      });
    });
  }

 private:
  struct Gate {
    Product input, recurrent;
    Multiplier peephole;
    Norm norm;
  };

  void read_cell_state(const Preparation& p) {
    const float scale = p.input(t_.cell_state).scale();
    const float exponent = std::log2(scale);
    cell_exponent_ = static_cast<int>(std::round(exponent));
    if (std::abs(exponent - static_cast<float>(cell_exponent_)) >= 1e-3f || 15 + cell_exponent_ < 0 ||
        15 + cell_exponent_ > kMaxTanhBits)
      p.unsupported("cell state with scale ", scale, ", which is not a power of two from 2^-15 to 2^-9");
    if (s_.cell_clip > 0) cell_clip_ = static_cast<int16_t>(std::min(s_.cell_clip / scale, 32767.f));
  }

  void read_gate(const Preparation& p, int gate, const Operand& state) {
    const Operand& input = p.input(T::kInput);
    const float scale = s_.norm ? p.intermediate(gate)->scale() : kGateScale;
    Gate& g = gates_[gate];
    // The bias of a normalized gate is added after the normalization.
    g.input = product(p, t_.input_weights(gate), s_.norm ? -1 : t_.bias(gate), -input.zero_point(),
                      p.input(t_.input_weights(gate)).scale() * input.scale() / scale);
    g.recurrent = product(p, t_.recurrent_weights(gate), -1, -state.zero_point(),
                          p.input(t_.recurrent_weights(gate)).scale() * state.scale() / scale);
    if (s_.has_peephole(gate))
      g.peephole = quantize_multiplier(
          static_cast<float>(std::ldexp(1.0, cell_exponent_) * p.input(t_.peephole(gate)).scale() / scale));
    if (s_.norm) {
      const float norm_scale = p.input(t_.norm(gate)).scale();
      g.norm.multiplier = quantize_multiplier(norm_scale, kMaxShift - 12);
      // Keeps the division by the deviation from overflowing.
      g.norm.least_variance = std::max(1, round_to<int32_t>(std::floor(10000 * norm_scale)));
    }
  }

  static Product product(const Preparation& p, int weights_input, int bias_input, int32_t zero_point, float scale) {
    const Operand& weights = p.input(weights_input);
    if (!weights.is_constant()) p.unsupported("tensor '", weights.name, "' is not constant");
    const auto* data = reinterpret_cast<const int8_t*>(weights.constant);
    const int64_t rows = weights.shape[0], columns = weights.shape[1];
    Product made{quantize_multiplier(scale), std::vector<int32_t>(rows)};
    const bool has_bias = bias_input >= 0 && p.has_input(bias_input);
    if (has_bias && !p.input(bias_input).is_constant()) p.unsupported("bias is not constant");
    const auto* bias = has_bias ? reinterpret_cast<const int32_t*>(p.input(bias_input).constant) : nullptr;
    for (int64_t row = 0; row < rows; ++row) {
      uint32_t sum = 0;
      for (int64_t i = 0; i < columns; ++i) sum += static_cast<uint32_t>(int32_t{data[row * columns + i]});
      sum = sum * static_cast<uint32_t>(zero_point) + static_cast<uint32_t>(bias ? bias[row] : 0);
      made.bias[row] = static_cast<int32_t>(sum);
    }
    return made;
  }

  void make_products(Preparation& p) {
    std::vector<GateWeights> input, state;
    for (int gate = s_.first_gate(); gate < T::kGates; ++gate) {
      const Gate& g = gates_[gate];
      input.push_back({t_.input_weights(gate), g.input.multiplier, &g.input.bias});
      state.push_back({t_.recurrent_weights(gate), g.recurrent.multiplier, &g.recurrent.bias});
    }
    products_ = LstmProducts::make(p, s_, input, state);
  }

  // As each_step(), but with the inputs of many steps multiplied at once.
  void run_on_vectors(const Invocation& v) const {
    const Sequence& all = s_.sequence;
    const int64_t batch = all.step_batch(), count = batch * s_.cell, most = products_->most_rows() / batch;
    for (int64_t b = 0; b < (all.time_major ? 1 : all.batch); ++b) {
      for (int64_t done = 0; done < all.time; done += most) {
        const int64_t steps = std::min(most, all.time - done);
        const int64_t moment = all.backward ? all.time - done - steps : done;
        const int64_t first = all.time_major ? moment * batch : b * all.time + moment;
        products_->take_inputs(v, v.in<int8_t>(T::kInput) + first * s_.input, steps * batch);
        for (int64_t i = 0; i < steps; ++i) {
          const int64_t row = (all.backward ? steps - 1 - i : i) * batch;
          step(v, first + row, b, [&](const int8_t* state, int16_t* gates) {
            products_->run_step(v, row, state, gates + s_.first_gate() * count);
          });
        }
      }
    }
  }

  // multiply(state, gates): what the gates are before their activation. `first` vector of the input and output.
  template <typename Multiply>
  void step(const Invocation& v, int64_t first, int64_t first_state, const Multiply& multiply) const {
    auto* state = v.state<int8_t>(t_.output_state) + first_state * s_.output;
    auto* cell = v.state<int16_t>(t_.cell_state) + first_state * s_.cell;
    const int64_t batch = s_.sequence.step_batch(), count = batch * s_.cell;
    auto* gates = v.scratch<int16_t>(gate_slot_);
    multiply(state, gates);
    for (int gate = s_.first_gate(); gate < T::kOutputGate; ++gate) finish(v, gate, cell, gates + gate * count);
    update(gates, cell);
    const int16_t* output_gate = gates + T::kOutputGate * count;
    finish(v, T::kOutputGate, cell, gates + T::kOutputGate * count);

    int16_t* tanh = gates;  // the other gates are not needed any more
    int8_t* hidden = s_.projection ? v.scratch<int8_t>(hidden_slot_) : state;
    const int32_t zero_point = s_.projection ? -hidden_zero_point_ : hidden_zero_point_;
    if (steps_) {
      steps_->tanh[15 + cell_exponent_](cell, count, tanh);
      steps_->hidden(output_gate, tanh, count, hidden_.value, hidden_.shift, zero_point, hidden);
    } else {
      tanh_all(15 + cell_exponent_, cell, tanh, count);
      for (int64_t i = 0; i < count; ++i)
        hidden[i] = saturate<int8_t>(int64_t{rescale(output_gate[i] * tanh[i], hidden_)} + zero_point);
    }
    if (s_.projection) project(v, hidden, state);
    std::copy_n(state, batch * s_.output, v.out<int8_t>(0) + first * s_.output);
  }

  // All gates' input weights x input, saturated, + recurrent weights x state.
  void multiply(const Invocation& v, const int8_t* input, const int8_t* state, int16_t* gates) const {
    const int64_t batch = s_.sequence.step_batch(), rows = (T::kGates - s_.first_gate()) * s_.cell;
    v.parallel(rows, kRecurrentGrain / (batch * (s_.input + s_.output) + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int gate = s_.first_gate() + static_cast<int>(i / s_.cell);
        const int64_t row = i % s_.cell;
        const int8_t* weights = v.in<int8_t>(t_.input_weights(gate)) + row * s_.input;
        const int8_t* recurrent = v.in<int8_t>(t_.recurrent_weights(gate)) + row * s_.output;
        for (int64_t b = 0; b < batch; ++b) {
          const auto from_input = saturate<int16_t>(gates_[gate].input(weights, input + b * s_.input, s_.input, row));
          const int64_t from_state = gates_[gate].recurrent(recurrent, state + b * s_.output, s_.output, row);
          gates[(gate * batch + b) * s_.cell + row] = saturate<int16_t>(from_input + from_state);
        }
      }
    });
  }

  void finish(const Invocation& v, int gate, const int16_t* cell, int16_t* values) const {
    const int64_t batch = s_.sequence.step_batch(), count = batch * s_.cell;
    if (s_.has_peephole(gate)) {
      // TFLite's kernel walks over vectors as long as the output, although these are as long as the cell state; the
      // two lengths differ where there is a projection. Its results are the reference.
      const int16_t* weights = v.in<int16_t>(t_.peephole(gate));
      for (int64_t i = 0; i < batch * s_.output; ++i) {
        const int64_t product = rescale(weights[i % s_.output] * cell[i], gates_[gate].peephole);
        values[i] = saturate<int16_t>(product + values[i]);
      }
    }
    if (s_.norm) {
      for (int64_t b = 0; b < batch; ++b)
        normalize(values + b * s_.cell, v.in<int16_t>(t_.norm(gate)), v.in<int32_t>(t_.bias(gate)), s_.cell,
                  gates_[gate].norm);
    }
    if (steps_)
      (gate == T::kCellGate ? steps_->tanh[kGateBits] : steps_->logistic)(values, count, values);
    else if (gate == T::kCellGate)
      tanh_all<kGateBits>(values, values, count);
    else
      for (int64_t i = 0; i < count; ++i) values[i] = fixed::logistic<kGateBits>(values[i]);
  }

  void update(const int16_t* gates, int16_t* cell) const {
    const int64_t count = s_.sequence.step_batch() * s_.cell;
    const int16_t *input = gates, *forget = gates + count, *candidate = gates + 2 * count;
    if (steps_) steps_->update(s_.cifg ? nullptr : input, forget, candidate, count, 30 + cell_exponent_, cell);
    for (int64_t i = 0; !steps_ && i < count; ++i) {
      const int32_t kept = rounding_shift_right(forget[i] * cell[i], 15);
      const int32_t share = s_.cifg ? 32767 - forget[i] : input[i];
      const auto added = static_cast<int16_t>(rounding_shift_right(share * candidate[i], 30 + cell_exponent_));
      cell[i] = saturate<int16_t>(int64_t{kept} + added);
    }
    if (cell_clip_ > 0) clip(cell, count, cell_clip_);
  }

  void project(const Invocation& v, const int8_t* hidden, int8_t* state) const {
    const int64_t batch = s_.sequence.step_batch();
    v.parallel(s_.output, kRecurrentGrain / (batch * s_.cell) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int8_t* weights = v.in<int8_t>(t_.projection()) + row * s_.cell;
        for (int64_t b = 0; b < batch; ++b)
          state[b * s_.output + row] =
              saturate<int8_t>(projection_(weights, hidden + b * s_.cell, s_.cell, row) + state_zero_point_);
      }
    });
    if (projection_clip_ > 0) clip(state, batch * s_.output, projection_clip_);
  }

  LstmTensors t_;
  LstmShape s_;
  std::array<Gate, T::kGates> gates_;
  std::shared_ptr<const LstmProducts> products_;  // null: the reference has to do
  const LstmSteps* steps_ = lstm_steps();         // also null then
  Product projection_;
  Multiplier hidden_;
  int32_t hidden_zero_point_ = 0, state_zero_point_ = 0;
  int cell_exponent_ = 0;  // of the cell state's scale, a power of two
  int16_t cell_clip_ = 0;
  int8_t projection_clip_ = 0;
  int gate_slot_ = 0, hidden_slot_ = 0;
};

}  // namespace

Compute prepare_integer_lstm(Preparation& p, const LstmTensors& tensors, const LstmShape& shape) {
  const auto lstm = std::make_shared<const IntegerLstm>(p, tensors, shape);
  return [lstm](const Invocation& v) { lstm->run(v); };
}

}  // namespace subgraft
