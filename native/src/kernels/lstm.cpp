// LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM and BIDIRECTIONAL_SEQUENCE_LSTM: checks, and which kernel computes what.
#include "kernels/lstm.h"

#include <memory>
#include <string_view>

#include "kernels/families.h"
#include "kernels/lstm_float.h"

namespace subgraft {
namespace {

using T = LstmTensors;

// Element types of one of the kernels.
struct Types {
  DType weights, peephole, bias, norm, output_state, cell_state;
};

Types types_of(const Preparation& p, const LstmTensors& t) {
  const DType input = p.input(T::kInput).dtype;
  const DType weights = p.input(t.input_weights(T::kOutputGate)).dtype;
  const DType f32 = DType::float32;
  if (input == f32 && (weights == f32 || is_hybrid_weight(weights))) return {weights, weights, f32, f32, f32, f32};
  if (input == DType::int8 && weights == DType::int8)
    return {weights, DType::int16, DType::int32, DType::int16, DType::int8, DType::int16};
  p.unsupported("input ", dtype_name(input), " with weights ", dtype_name(weights));
}

void check_gate(const Preparation& p, const LstmTensors& t, int gate, const LstmShape& s, const Types& types) {
  require_tensor(p, t.input_weights(gate), types.weights, {s.cell, s.input});
  if (s.aux > 0) require_tensor(p, t.aux_weights(gate), types.weights, {s.cell, s.aux});
  if (p.input(t.recurrent_weights(gate)).shape.rank() == 1) {  // the diagonal of a matrix
    if (p.input(T::kInput).dtype != DType::float32) p.unsupported("diagonal recurrent weights of an integer LSTM");
    require_tensor(p, t.recurrent_weights(gate), DType::float32, {s.cell});
    p.require(s.output == s.cell, "diagonal recurrent weights with ", s.cell, " cells and ", s.output, " outputs");
  } else {
    require_tensor(p, t.recurrent_weights(gate), types.weights, {s.cell, s.output});
  }
  if (s.has_peephole(gate)) require_tensor(p, t.peephole(gate), types.peephole, {s.cell});
  require_tensor(p, t.bias(gate), types.bias, {s.cell});
  if (s.norm) require_tensor(p, t.norm(gate), types.norm, {s.cell});
}

// Tensors that only some variants have must all be there or all be absent.
bool all_or_none(const Preparation& p, std::string_view what, std::initializer_list<int> inputs) {
  const bool first = p.has_input(*inputs.begin());
  for (const int i : inputs) p.require(p.has_input(i) == first, "has some of its ", what, " but not all");
  return first;
}

LstmShape read_shape(const Preparation& p, const LstmTensors& t, const Sequence& sequence) {
  LstmShape s;
  const Shape& weights = p.input(t.input_weights(T::kOutputGate)).shape;
  const Shape& recurrent = p.input(t.recurrent_weights(T::kOutputGate)).shape;
  p.require(weights.rank() == 2 && recurrent.rank() >= 1, "weights have shapes ", weights.text(), " and ",
            recurrent.text());
  s.sequence = sequence;
  s.input = p.input(T::kInput).shape.back(0);
  s.cell = weights[0];
  s.output = recurrent.back(0);
  p.require(s.cell > 0 && s.output > 0, "has no cells or no outputs");
  s.cifg = !all_or_none(p, "input gate's tensors",
                        {t.input_weights(T::kInputGate), t.recurrent_weights(T::kInputGate), t.bias(T::kInputGate)});
  s.peephole = all_or_none(p, "peephole weights", {t.peephole(T::kForgetGate), t.peephole(T::kOutputGate)});
  s.norm = t.first_norm >= 0 && all_or_none(p, "layer normalization weights",
                                            {t.norm(T::kForgetGate), t.norm(T::kCellGate), t.norm(T::kOutputGate)});
  s.projection = p.has_input(t.projection());
  s.cell_clip = static_cast<float>(p.options().real("cell_clip"));
  s.projection_clip = static_cast<float>(p.options().real("proj_clip"));
  p.require(s.cell_clip >= 0 && s.projection_clip >= 0, "clips at ", s.cell_clip, " and ", s.projection_clip);
  return s;
}

// `aux`: elements of a vector of the auxiliary input, 0 without weights of its own.
LstmShape check(const Preparation& p, const LstmTensors& t, const Sequence& sequence, int64_t aux = 0) {
  LstmShape s = read_shape(p, t, sequence);
  s.aux = aux;
  const Types types = types_of(p, t);
  for (int gate = s.first_gate(); gate < T::kGates; ++gate) check_gate(p, t, gate, s, types);
  if (s.projection) {
    require_tensor(p, t.projection(), types.weights, {s.output, s.cell});
    if (p.has_input(t.projection_bias())) require_tensor(p, t.projection_bias(), types.bias, {s.output});
  } else {
    p.require(!p.has_input(t.projection_bias()), "has a projection bias without projection weights");
    p.require(s.output == s.cell, "has ", s.cell, " cells but ", s.output, " outputs and no projection");
  }
  require_state(p, t.output_state, types.output_state, sequence.batch * s.output);
  require_state(p, t.cell_state, types.cell_state, sequence.batch * s.cell);
  for (int i = 0; i < p.outputs(); ++i)
    p.require(p.output(i).dtype == p.input(T::kInput).dtype, "output is ", dtype_name(p.output(i).dtype));
  return s;
}

template <typename Weight>
Compute prepare_float(Preparation& p, const LstmTensors& tensors, const LstmShape& shape) {
  const auto lstm = std::make_shared<const FloatLstm<Weight>>(p, tensors, shape);
  return [lstm, stride = shape.output](const Invocation& v) { lstm->run(v, T::kInput, v.out<float>(0), stride); };
}

// One direction, over a sequence or a single step.
Compute prepare_forward(Preparation& p, const Sequence& sequence) {
  p.require(p.inputs() == 24 || p.inputs() == 20, "has ", p.inputs(), " inputs instead of 20 or 24");
  p.expect(p.inputs(), 1);
  const LstmTensors tensors;
  const LstmShape shape = check(p, tensors, sequence);
  const Shape& input = p.input(T::kInput).shape;
  p.set_output(0, input.with(input.rank() - 1, static_cast<int32_t>(shape.output)));
  if (p.input(T::kInput).dtype == DType::int8) {
    const bool is_sequence = input.rank() == 3;
    if (!is_sequence && p.intermediate(5)) return prepare_8_bit_gates_lstm(p, tensors, shape);
    p.require(!p.intermediate(5), "has more than 5 intermediate tensors");
    return prepare_integer_lstm(p, tensors, shape);
  }
  if (p.input(tensors.input_weights(T::kOutputGate)).dtype == DType::float32)
    return prepare_float<float>(p, tensors, shape);
  return prepare_float<int8_t>(p, tensors, shape);
}

Compute prepare_unidirectional_lstm(Preparation& p) {
  return prepare_forward(p, Sequence::of(p, p.input(T::kInput).shape));
}

Compute prepare_lstm(Preparation& p) {
  constexpr int64_t kFull = 0, kBasic = 1;  // LSTMKernelType of the schema
  const int64_t kernel = p.options().integer("kernel_type");
  if (kernel == kBasic) return prepare_basic_lstm(p);
  p.require(kernel == kFull, "kernel type ", kernel, " does not exist");
  const Shape& input = p.input(T::kInput).shape;
  p.require(input.rank() == 2, "input has shape ", input.text(), ", not [batch, depth]");
  return prepare_forward(p, Sequence{1, input[0], true});
}

// A forward and a backward LSTM over the same sequence.
template <typename Weight>
class BidirectionalLstm {
 public:
  BidirectionalLstm(Preparation& p, const LstmTensors (&tensors)[2], const LstmShape (&shapes)[2], int backward_input)
      : forward_(p, tensors[0], shapes[0]),
        backward_(p, tensors[1], shapes[1]),
        outputs_{shapes[0].output, shapes[1].output},
        merges_(p.outputs() == 1),
        backward_input_(backward_input) {}

  void operator()(const Invocation& v) const {
    if (merges_) {
      const int64_t stride = outputs_[0] + outputs_[1];
      forward_.run(v, T::kInput, v.out<float>(0), stride);
      backward_.run(v, backward_input_, v.out<float>(0) + outputs_[0], stride);
    } else {
      forward_.run(v, T::kInput, v.out<float>(0), outputs_[0]);
      backward_.run(v, backward_input_, v.out<float>(1), outputs_[1]);
    }
  }

 private:
  FloatLstm<Weight> forward_, backward_;
  int64_t outputs_[2];
  bool merges_;
  int backward_input_;
};

template <typename Weight>
Compute bidirectional(Preparation& p, const LstmTensors (&tensors)[2], const LstmShape (&shapes)[2], int input) {
  const auto lstm = std::make_shared<const BidirectionalLstm<Weight>>(p, tensors, shapes, input);
  return [lstm](const Invocation& v) { (*lstm)(v); };
}

constexpr int kAuxInput = 39;
constexpr LstmTensors kDirections[] = {{1, 35, 36, -1, kAuxInput, 40}, {18, 37, 38, -1, kAuxInput, 44}};

bool has_aux_weights(const Preparation& p) {
  const bool has = p.has_input(kDirections[0].aux_weights(T::kForgetGate));
  for (const LstmTensors& t : kDirections)
    for (int gate = T::kForgetGate; gate < T::kGates; ++gate)
      p.require(p.has_input(t.aux_weights(gate)) == has, "has some of its auxiliary weights but not all");
  return has;
}

// Elements of a vector of the auxiliary input.
int64_t check_aux(const Preparation& p, bool has_weights) {
  const Shape& input = p.input(T::kInput).shape;
  const Operand& aux = p.input(kAuxInput);
  if (aux.dtype != DType::float32) p.unsupported("auxiliary input is ", dtype_name(aux.dtype));
  p.require(aux.shape.rank() == 3 && aux.shape[0] == input[0] && aux.shape[1] == input[1] && aux.shape[2] > 0 &&
                (has_weights || aux.shape[2] == input[2]),
            "auxiliary input has shape ", aux.shape.text(), " beside an input of shape ", input.text());
  return aux.shape[2];
}

Compute prepare_bidirectional_lstm(Preparation& p) {
  const bool merges = p.options().boolean("merge_outputs");
  p.expect(48, merges ? 1 : 2);
  const Operand& input = p.input(T::kInput);
  if (input.dtype != DType::float32) p.unsupported("input is ", dtype_name(input.dtype));
  Sequence sequence = Sequence::of(p, input.shape);
  const bool has_weights = has_aux_weights(p);
  const bool has_aux = has_weights || p.has_input(kAuxInput);
  const int64_t depth = has_aux ? check_aux(p, has_weights) : 0;
  LstmShape shapes[2];
  for (int i = 0; i < 2; ++i) {
    sequence.backward = i == 1;
    shapes[i] = check(p, kDirections[i], sequence, has_weights ? depth : 0);
  }
  const DType weights = p.input(kDirections[0].input_weights(T::kOutputGate)).dtype;
  const DType backward_weights = p.input(kDirections[1].input_weights(T::kOutputGate)).dtype;
  p.require(weights == backward_weights, "weights are ", dtype_name(weights), " and ", dtype_name(backward_weights));
  const auto of_width = [&input](int64_t width) { return input.shape.with(2, static_cast<int32_t>(width)); };
  p.set_output(0, of_width(shapes[0].output + (merges ? shapes[1].output : 0)));
  if (!merges) p.set_output(1, of_width(shapes[1].output));
  // Without weights of its own the auxiliary input is what the backward direction reads: stacked layers without links
  // between the directions.
  const int backward_input = has_aux && !has_weights ? kAuxInput : T::kInput;
  if (weights == DType::float32) return bidirectional<float>(p, kDirections, shapes, backward_input);
  return bidirectional<int8_t>(p, kDirections, shapes, backward_input);
}

}  // namespace

void register_lstm(Registry& registry) {
  registry.add("BIDIRECTIONAL_SEQUENCE_LSTM", prepare_bidirectional_lstm);
  registry.add("LSTM", prepare_lstm);
  registry.add("UNIDIRECTIONAL_SEQUENCE_LSTM", prepare_unidirectional_lstm);
}

}  // namespace subgraft
