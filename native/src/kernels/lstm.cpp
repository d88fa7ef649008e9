// UNIDIRECTIONAL_SEQUENCE_LSTM: checks, and the float kernel with float or 8-bit weights.
#include "kernels/lstm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernels/dynamic_range.h"
#include "kernels/families.h"
#include "kernels/lstm_math.h"

namespace subgraft {
namespace {

using In = LstmInputs;

// Weights are constants: row sums and scales are taken from them once.
void require_tensor(const Preparation& p, int i, DType dtype, std::initializer_list<int64_t> dims) {
  const Operand& tensor = p.input(i);
  if (tensor.dtype != dtype)
    p.unsupported("tensor '", tensor.name, "' is ", dtype_name(tensor.dtype), ", not ", dtype_name(dtype));
  bool equal = tensor.shape.rank() == static_cast<int>(dims.size());
  for (int d = 0; equal && d < tensor.shape.rank(); ++d) equal = tensor.shape[d] == dims.begin()[d];
  p.require(equal, "tensor '", tensor.name, "' has shape ", tensor.shape.text());
  if (dtype == DType::int8 && !tensor.is_constant()) p.unsupported("tensor '", tensor.name, "' is not constant");
}

// Element types of one of the three kernels.
struct Types {
  DType weights, peephole, bias, norm, output_state, cell_state;
};

Types types_of(const Preparation& p) {
  const DType input = p.input(In::kInput).dtype;
  const DType weights = p.input(In::input_weights(In::kOutputGate)).dtype;
  const DType f32 = DType::float32;
  if (input == f32 && (weights == f32 || weights == DType::int8)) return {weights, weights, f32, f32, f32, f32};
  if (input == DType::int8 && weights == DType::int8)
    return {weights, DType::int16, DType::int32, DType::int16, DType::int8, DType::int16};
  p.unsupported("input ", dtype_name(input), " with weights ", dtype_name(weights));
}

void check_gate(const Preparation& p, int gate, const LstmShape& s, const Types& types) {
  require_tensor(p, In::input_weights(gate), types.weights, {s.cell, s.input});
  if (p.input(In::recurrent_weights(gate)).shape.rank() == 1) {  // the diagonal of a matrix
    if (p.input(In::kInput).dtype != DType::float32) p.unsupported("diagonal recurrent weights of an integer LSTM");
    require_tensor(p, In::recurrent_weights(gate), DType::float32, {s.cell});
    p.require(s.output == s.cell, "diagonal recurrent weights with ", s.cell, " cells and ", s.output, " outputs");
  } else {
    require_tensor(p, In::recurrent_weights(gate), types.weights, {s.cell, s.output});
  }
  if (s.has_peephole(gate)) require_tensor(p, In::peephole(gate), types.peephole, {s.cell});
  require_tensor(p, In::bias(gate), types.bias, {s.cell});
  if (s.norm) require_tensor(p, In::norm(gate), types.norm, {s.cell});
}

void check_state(const Preparation& p, int i, DType dtype, int64_t elements) {
  const Operand& state = p.input(i);
  p.require(state.is_variable, "state '", state.name, "' is not a variable tensor");
  p.require(state.dtype == dtype && state.shape.elements() == elements, "state '", state.name, "' is ",
            dtype_name(state.dtype), state.shape.text());
}

// Tensors that only some variants have must all be there or all be absent.
bool all_or_none(const Preparation& p, std::string_view what, std::initializer_list<int> inputs) {
  const bool first = p.has_input(*inputs.begin());
  for (const int i : inputs) p.require(p.has_input(i) == first, "has some of its ", what, " but not all");
  return first;
}

LstmShape read_shape(const Preparation& p) {
  LstmShape s;
  const Shape& input = p.input(In::kInput).shape;
  const Shape& weights = p.input(In::input_weights(In::kOutputGate)).shape;
  const Shape& recurrent = p.input(In::recurrent_weights(In::kOutputGate)).shape;
  p.require(input.rank() == 3, "input has shape ", input.text(), ", not [time, batch, depth]");
  p.require(weights.rank() == 2 && recurrent.rank() >= 1, "weights have shapes ", weights.text(), " and ",
            recurrent.text());
  s.time_major = p.options().boolean("time_major");
  s.time = input[s.time_major ? 0 : 1];
  s.batch = input[s.time_major ? 1 : 0];
  s.input = input[2];
  s.cell = weights[0];
  s.output = recurrent.back(0);
  p.require(s.cell > 0 && s.output > 0, "has no cells or no outputs");
  s.cifg = !all_or_none(
      p, "input gate's tensors",
      {In::input_weights(In::kInputGate), In::recurrent_weights(In::kInputGate), In::bias(In::kInputGate)});
  s.peephole = all_or_none(p, "peephole weights", {In::peephole(In::kForgetGate), In::peephole(In::kOutputGate)});
  s.norm = all_or_none(p, "layer normalization weights",
                       {In::norm(In::kForgetGate), In::norm(In::kCellGate), In::norm(In::kOutputGate)});
  s.projection = p.has_input(In::kProjection);
  s.cell_clip = static_cast<float>(p.options().real("cell_clip"));
  s.projection_clip = static_cast<float>(p.options().real("proj_clip"));
  p.require(s.cell_clip >= 0 && s.projection_clip >= 0, "clips at ", s.cell_clip, " and ", s.projection_clip);
  return s;
}

LstmShape check(const Preparation& p) {
  p.require(p.inputs() == In::kCount || p.inputs() == In::kCountWithoutNorm, "has ", p.inputs(),
            " inputs instead of 20 or 24");
  p.expect(p.inputs(), 1);
  const LstmShape s = read_shape(p);
  const Types types = types_of(p);
  for (int gate = s.first_gate(); gate < In::kGates; ++gate) check_gate(p, gate, s, types);
  if (s.projection) {
    require_tensor(p, In::kProjection, types.weights, {s.output, s.cell});
    if (p.has_input(In::kProjectionBias)) require_tensor(p, In::kProjectionBias, types.bias, {s.output});
  } else {
    p.require(!p.has_input(In::kProjectionBias), "has a projection bias without projection weights");
    p.require(s.output == s.cell, "has ", s.cell, " cells but ", s.output, " outputs and no projection");
  }
  check_state(p, In::kOutputState, types.output_state, s.batch * s.output);
  check_state(p, In::kCellState, types.cell_state, s.batch * s.cell);
  return s;
}

// With float or 8-bit weights; everything else is float.
template <typename Weight>
class FloatLstm {
 public:
  FloatLstm(Preparation& p, const LstmShape& shape) : s_(shape) {
    activation_ = static_cast<Activation>(p.options().integer("fused_activation_function"));
    if (activation_ == Activation::none || activation_range_is_unknown())
      p.unsupported("fused activation ", p.options().integer("fused_activation_function"));
    asymmetric_ = p.options().boolean("asymmetric_quantize_inputs");
    for (int gate = s_.first_gate(); gate < In::kGates; ++gate) {
      gates_[gate].input = constants(p, In::input_weights(gate));
      gates_[gate].diagonal = p.input(In::recurrent_weights(gate)).shape.rank() == 1;
      if (!gates_[gate].diagonal) gates_[gate].recurrent = constants(p, In::recurrent_weights(gate));
      if (s_.has_peephole(gate)) gates_[gate].peephole = constants(p, In::peephole(gate));
    }
    if (s_.projection) {
      projection_ = constants(p, In::kProjection);
      has_projection_bias_ = p.has_input(In::kProjectionBias);
    }
    const int64_t batch = s_.step_batch();
    gate_slot_ = p.scratch(In::kGates * batch * s_.cell * int64_t{sizeof(float)});
    hidden_slot_ = p.scratch(batch * s_.cell * int64_t{sizeof(float)});
    if constexpr (kQuantizes) {
      const int64_t depths[] = {s_.input, std::max(s_.output, s_.cell)};
      for (int place = 0; place < 2; ++place) {
        quantized_slots_[place] = p.scratch(batch * depths[place]);
        scale_slots_[place] = p.scratch(batch * int64_t{sizeof(float)});
        zero_point_slots_[place] = p.scratch(batch * int64_t{sizeof(int32_t)});
      }
    }
  }

  void run(const Invocation& v) const {
    s_.each_step([&](int64_t first, int64_t first_state) {
      step(v, v.in<float>(In::kInput) + first * s_.input, v.state<float>(In::kOutputState) + first_state * s_.output,
           v.state<float>(In::kCellState) + first_state * s_.cell, v.out<float>(0) + first * s_.output);
    });
  }

 private:
  static constexpr bool kQuantizes = std::is_same_v<Weight, int8_t>;

  // What is known of a weight tensor before it runs.
  struct Constants {
    float scale = 1;
    std::vector<int32_t> row_sums;
  };
  struct Gate {
    Constants input, recurrent, peephole;
    bool diagonal = false;
  };

  bool activation_range_is_unknown() const {
    return activation_ != Activation::relu && activation_ != Activation::relu_n1_to_1 &&
           activation_ != Activation::relu6 && activation_ != Activation::tanh;
  }

  Constants constants(const Preparation& p, int i) const {
    Constants made;
    if constexpr (kQuantizes) {
      const Operand& tensor = p.input(i);
      made.scale = tensor.scale();
      if (!asymmetric_) return made;
      const auto* data = reinterpret_cast<const int8_t*>(tensor.constant);
      made.row_sums.resize(tensor.shape[0]);
      const int64_t columns = tensor.shape.elements() / tensor.shape[0];
      for (int64_t row = 0; row < tensor.shape[0]; ++row)
        for (int64_t i = 0; i < columns; ++i) made.row_sums[row] += data[row * columns + i];
    }
    return made;
  }

  Matrix<Weight> matrix(const Invocation& v, int input, const Constants& known) const {
    return {v.in<Weight>(input), known.scale, known.row_sums.empty() ? nullptr : known.row_sums.data()};
  }

  // The vectors as the weights want them. 8-bit ones are written to scratch memory, which has two places for them.
  Vectors<Weight> vectors(const Invocation& v, int place, const float* values, int64_t depth) const {
    if constexpr (kQuantizes) {
      const int64_t batch = s_.step_batch();
      int8_t* quantized = v.scratch<int8_t>(quantized_slots_[place]);
      auto* scales = v.scratch<float>(scale_slots_[place]);
      auto* zero_points = v.scratch<int32_t>(zero_point_slots_[place]);
      for (int64_t b = 0; b < batch; ++b) {
        const DynamicRange range = asymmetric_ ? quantize_asymmetric(values + b * depth, depth, quantized + b * depth)
                                               : quantize_symmetric(values + b * depth, depth, quantized + b * depth);
        scales[b] = range.scale;
        zero_points[b] = range.zero_point;
      }
      return {quantized, depth, scales, zero_points};
    } else {
      return {values, depth};
    }
  }

  void step(const Invocation& v, const float* input, float* state, float* cell, float* out) const {
    const int64_t batch = s_.step_batch(), count = batch * s_.cell;
    float* gates = v.scratch<float>(gate_slot_);
    float* hidden = v.scratch<float>(hidden_slot_);
    const Vectors<Weight> x = vectors(v, 0, input, s_.input);
    const Vectors<Weight> h = vectors(v, 1, state, s_.output);

    multiply(v, x, h, state, gates);
    for (int gate = s_.first_gate(); gate < In::kOutputGate; ++gate) finish(v, gate, cell, gates + gate * count);
    update(gates, cell);
    finish(v, In::kOutputGate, cell, gates + In::kOutputGate * count);

    activate(activation_, cell, hidden, count);
    for (int64_t i = 0; i < count; ++i) hidden[i] *= gates[In::kOutputGate * count + i];
    if (s_.projection)
      project(v, vectors(v, 1, hidden, s_.cell), state);
    else
      std::copy_n(hidden, batch * s_.output, state);
    std::copy_n(state, batch * s_.output, out);
  }

  // All gates' bias + weights x + recurrent weights h.
  void multiply(const Invocation& v, const Vectors<Weight>& x, const Vectors<Weight>& h, const float* state,
                float* gates) const {
    const int64_t batch = s_.step_batch(), rows = (In::kGates - s_.first_gate()) * s_.cell;
    v.parallel(rows, kLstmGrain / (batch * (s_.input + s_.output)) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int gate = s_.first_gate() + static_cast<int>(i / s_.cell);
        const int64_t row = i % s_.cell;
        const Matrix<Weight> weights = matrix(v, In::input_weights(gate), gates_[gate].input);
        const Matrix<Weight> recurrent = matrix(v, In::recurrent_weights(gate), gates_[gate].recurrent);
        const float bias = s_.norm ? 0 : v.in<float>(In::bias(gate))[row];
        for (int64_t b = 0; b < batch; ++b) {
          const float from_state = gates_[gate].diagonal
                                       ? v.in<float>(In::recurrent_weights(gate))[row] * state[b * s_.output + row]
                                       : product(recurrent, row, h, b);
          gates[(gate * batch + b) * s_.cell + row] = bias + product(weights, row, x, b) + from_state;
        }
      }
    });
  }

  // Peephole, layer normalization and activation of one gate.
  void finish(const Invocation& v, int gate, const float* cell, float* values) const {
    const int64_t batch = s_.step_batch();
    if (s_.has_peephole(gate)) {
      const Weight* weights = v.in<Weight>(In::peephole(gate));
      for (int64_t i = 0; i < batch * s_.cell; ++i)
        values[i] += gates_[gate].peephole.scale * static_cast<float>(weights[i % s_.cell]) * cell[i];
    }
    if (s_.norm) {
      for (int64_t b = 0; b < batch; ++b)
        normalize(values + b * s_.cell, v.in<float>(In::norm(gate)), v.in<float>(In::bias(gate)), s_.cell);
    }
    if (gate == In::kCellGate)
      activate(activation_, values, values, batch * s_.cell);
    else
      sigmoid(values, batch * s_.cell);
  }

  void update(const float* gates, float* cell) const {
    const int64_t count = s_.step_batch() * s_.cell;
    const float *input = gates, *forget = gates + count, *candidate = gates + 2 * count;
    for (int64_t i = 0; i < count; ++i)
      cell[i] = forget[i] * cell[i] + candidate[i] * (s_.cifg ? 1 - forget[i] : input[i]);
    if (s_.cell_clip > 0) clip(cell, count, s_.cell_clip);
  }

  void project(const Invocation& v, const Vectors<Weight>& hidden, float* state) const {
    const int64_t batch = s_.step_batch();
    const Matrix<Weight> weights = matrix(v, In::kProjection, projection_);
    v.parallel(s_.output, kLstmGrain / (batch * s_.cell) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const float bias = has_projection_bias_ ? v.in<float>(In::kProjectionBias)[row] : 0;
        for (int64_t b = 0; b < batch; ++b) state[b * s_.output + row] = bias + product(weights, row, hidden, b);
      }
    });
    if (s_.projection_clip > 0) clip(state, batch * s_.output, s_.projection_clip);
  }

  LstmShape s_;
  Activation activation_ = Activation::tanh;
  bool asymmetric_ = false, has_projection_bias_ = false;
  std::array<Gate, In::kGates> gates_;
  Constants projection_;
  int gate_slot_ = 0, hidden_slot_ = 0;
  int quantized_slots_[2] = {}, scale_slots_[2] = {}, zero_point_slots_[2] = {};
};

template <typename Weight>
Compute prepare_float(Preparation& p, const LstmShape& shape) {
  const auto lstm = std::make_shared<const FloatLstm<Weight>>(p, shape);
  return [lstm](const Invocation& v) { lstm->run(v); };
}

Compute prepare_lstm(Preparation& p) {
  const LstmShape shape = check(p);
  p.set_output(0, p.input(In::kInput).shape.with(2, static_cast<int32_t>(shape.output)));
  const DType input = p.input(In::kInput).dtype;
  p.require(p.output(0).dtype == input, "output is ", dtype_name(p.output(0).dtype));
  if (input == DType::int8) return prepare_integer_lstm(p, shape);
  if (p.input(In::input_weights(In::kOutputGate)).dtype == DType::float32) return prepare_float<float>(p, shape);
  return prepare_float<int8_t>(p, shape);
}

}  // namespace

void register_lstm(Registry& registry) { registry.add("UNIDIRECTIONAL_SEQUENCE_LSTM", prepare_lstm); }

}  // namespace subgraft
