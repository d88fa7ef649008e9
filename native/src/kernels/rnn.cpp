// RNN, UNIDIRECTIONAL_SEQUENCE_RNN and BIDIRECTIONAL_SEQUENCE_RNN: fully connected layers whose output comes back as
// an input of the next step.
#include <algorithm>
#include <memory>

#include "kernels/families.h"
#include "kernels/recurrent.h"
#include "kernels/recurrent_products.h"

namespace subgraft {
namespace {

// The inputs of one direction.
struct RnnTensors {
  int weights, recurrent, bias, state;
  int aux_weights = -1;  // -1: there is no auxiliary input
};

struct RnnShape {
  int64_t depth = 0, aux_depth = 0, units = 0;
  int64_t step_batch = 1;
};

bool has_aux(const RnnTensors& tensors) { return tensors.aux_weights >= 0; }

// One direction, step by step, with float or 8-bit weights.
template <typename Weight>
class RnnCell {
 public:
  RnnCell(Preparation& p, const RnnTensors& tensors, const RnnShape& shape)
      : t_(tensors), s_(shape), activation_(read_activation(p)) {
    const bool asymmetric = p.options().boolean("asymmetric_quantize_inputs");
    weights_ = Weights<Weight>(p, t_.weights, asymmetric);
    recurrent_ = Weights<Weight>(p, t_.recurrent, asymmetric);
    input_quantizer_ = Quantizer<Weight>(p, s_.step_batch, s_.depth, asymmetric);
    state_quantizer_ = Quantizer<Weight>(p, s_.step_batch, s_.units, asymmetric);
    // States without bounds magnify the last bits of sums: those keep the reference's order.
    if (std::is_same_v<Weight, float> && activation_ == Activation::tanh && s_.step_batch > 0 &&
        FloatRecurrence::is_there({s_.depth, s_.units})) {
      fast_ = FloatRecurrence(!has_aux(t_) || s_.aux_depth > 0);
      sums_slot_ = p.scratch(s_.step_batch * s_.units * int64_t{sizeof(float)});
    }
    if (!has_aux(t_)) return;
    aux_weights_ = Weights<Weight>(p, t_.aux_weights, asymmetric);
    aux_quantizer_ = Quantizer<Weight>(p, s_.step_batch, s_.aux_depth, asymmetric);
  }

  const RnnShape& shape() const { return s_; }

  void begin(const Invocation& v) const {
    weights_.begin(v);
    recurrent_.begin(v);
    if (has_aux(t_)) aux_weights_.begin(v);
  }

  // Outputs lie `stride` elements apart.
  void step(const Invocation& v, const float* input, const float* aux, float* state, float* out, int64_t stride) const {
    const Vectors<Weight> x = input_quantizer_(v, input, s_.step_batch, s_.depth);
    const Vectors<Weight> h = state_quantizer_(v, state, s_.step_batch, s_.units);
    Vectors<Weight> y;
    if (has_aux(t_)) y = aux_quantizer_(v, aux, s_.step_batch, s_.aux_depth);
    const int64_t products = s_.step_batch * (s_.depth + s_.aux_depth + s_.units);
    if constexpr (std::is_same_v<Weight, float>) {
      if (fast_) {
        v.parallel(s_.units, FloatRecurrence::grain(products),
                   [&](int64_t begin, int64_t end) { multiply_on_vectors(v, {x, h, y}, begin, end, out, stride); });
        return remember(out, stride, state);
      }
    }
    v.parallel(s_.units, kRecurrentGrain / (products + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = 0; b < s_.step_batch; ++b) {
        for (int64_t unit = begin; unit < end; ++unit) {
          float sum = v.in<float>(t_.bias)[unit] + product(weights_.at(v), unit, x, b);
          if (has_aux(t_)) sum += product(aux_weights_.at(v), unit, y, b);
          out[b * stride + unit] = sum + product(recurrent_.at(v), unit, h, b);
        }
        activate(activation_, out + b * stride + begin, out + b * stride + begin, end - begin);
      }
    });
    remember(out, stride, state);
  }

 private:
  void remember(const float* out, int64_t stride, float* state) const {
    for (int64_t b = 0; b < s_.step_batch; ++b) std::copy_n(out + b * stride, s_.units, state + b * s_.units);
  }

  struct Given {
    Vectors<Weight> input, state, aux;
  };
  // Units [begin, end).
  void multiply_on_vectors(const Invocation& v, const Given& given, int64_t begin, int64_t end, float* out,
                           int64_t stride) const {
    const int64_t batch = s_.step_batch;
    float* sums = v.scratch<float>(sums_slot_);
    const auto add = [&](const Weights<float>& weights, const Vectors<float>& x) {
      fast_.multiply(weights.at(v), x, batch, begin, end, nullptr, sums, s_.units);
      for (int64_t b = 0; b < batch; ++b)
        for (int64_t unit = begin; unit < end; ++unit) out[b * stride + unit] += sums[b * s_.units + unit];
    };
    fast_.multiply(weights_.at(v), given.input, batch, begin, end, v.in<float>(t_.bias), out, stride);
    if (has_aux(t_)) add(aux_weights_, given.aux);
    add(recurrent_, given.state);
    for (int64_t b = 0; b < batch; ++b) fast_.tanh(out + b * stride + begin, out + b * stride + begin, end - begin);
  }

  RnnTensors t_;
  RnnShape s_;
  Activation activation_;
  Weights<Weight> weights_, recurrent_, aux_weights_;
  Quantizer<Weight> input_quantizer_, state_quantizer_, aux_quantizer_;
  FloatRecurrence fast_{false};
  int sums_slot_ = 0;
};

// Float and hybrid alike; `inputs` is the input's shape.
RnnShape check_cell(const Preparation& p, const RnnTensors& t, const Shape& inputs, const Sequence& sequence) {
  RnnShape s;
  s.depth = inputs.back(0);
  s.step_batch = sequence.step_batch();
  const Shape& weights = p.input(t.weights).shape;
  const DType dtype = p.input(t.weights).dtype;
  if (dtype != DType::float32 && !is_hybrid_weight(dtype)) p.unsupported("weights are ", dtype_name(dtype));
  s.units = weights.rank() == 2 ? weights[0] : 0;
  p.require(s.units > 0 && s.units < (1 << 30), "weights have shape ", weights.text());
  require_tensor(p, t.weights, dtype, {s.units, s.depth});
  require_tensor(p, t.recurrent, dtype, {s.units, s.units});
  require_tensor(p, t.bias, DType::float32, {s.units});
  const Shape& state = p.input(t.state).shape;
  p.require(state.rank() == 2 && state[0] == sequence.batch, "state has shape ", state.text());
  require_state(p, t.state, DType::float32, sequence.batch * s.units);
  return s;
}

void require_float(const Preparation& p) {
  if (p.input(0).dtype != DType::float32) p.unsupported("input is ", dtype_name(p.input(0).dtype));
  for (int i = 0; i < p.outputs(); ++i)
    p.require(p.output(i).dtype == DType::float32, "output ", i, " is ", dtype_name(p.output(i).dtype));
}

template <typename Weight>
Compute unidirectional(Preparation& p, const RnnTensors& t, const RnnShape& shape, const Sequence& sequence) {
  const auto cell = std::make_shared<const RnnCell<Weight>>(p, t, shape);
  return [cell, t, sequence](const Invocation& v) {
    const RnnShape& s = cell->shape();
    cell->begin(v);
    sequence.each_step([&](int64_t first, int64_t first_state) {
      cell->step(v, v.in<float>(0) + first * s.depth, nullptr, v.state<float>(t.state) + first_state * s.units,
                 v.out<float>(0) + first * s.units, s.units);
    });
  };
}

Compute prepare_unidirectional(Preparation& p, const Sequence& sequence) {
  const RnnTensors tensors{1, 2, 3, 4};
  require_float(p);
  const Shape& input = p.input(0).shape;
  const RnnShape shape = check_cell(p, tensors, input, sequence);
  p.set_output(0, input.with(input.rank() - 1, static_cast<int32_t>(shape.units)));
  if (p.input(1).dtype == DType::float32) return unidirectional<float>(p, tensors, shape, sequence);
  return unidirectional<int8_t>(p, tensors, shape, sequence);
}

Compute prepare_rnn(Preparation& p) {
  p.expect(5, 1);
  const Shape& input = p.input(0).shape;
  p.require(input.rank() == 2, "input has shape ", input.text(), ", not [batch, depth]");
  return prepare_unidirectional(p, Sequence{1, input[0], true});
}

Compute prepare_unidirectional_rnn(Preparation& p) {
  p.expect(5, 1);
  return prepare_unidirectional(p, Sequence::of(p, p.input(0).shape));
}

constexpr int kAuxInput = 9;

// What the two directions read. With an auxiliary input but no weights for it the backward direction reads that
// instead of the input (stacked layers without links between the directions), and TFLite does so in time-major
// sequences only.
struct BidirectionalPlan {
  Sequence sequence;
  bool merges = false;
  int backward_input = 0;
  // TFLite's hybrid kernel goes through a time-major sequence as often as that has steps, with the states of the time
  // before. Its results are the reference.
  int64_t passes = 1;
};

template <typename Weight>
class BidirectionalRnn {
 public:
  BidirectionalRnn(Preparation& p, const RnnTensors (&tensors)[2], const RnnShape (&shapes)[2],
                   const BidirectionalPlan& plan)
      : cells_{{p, tensors[0], shapes[0]}, {p, tensors[1], shapes[1]}},
        states_{tensors[0].state, tensors[1].state},
        plan_(plan) {}

  void operator()(const Invocation& v) const {
    for (const auto& cell : cells_) cell.begin(v);
    for (int64_t pass = 0; pass < plan_.passes; ++pass) {
      run(v, 0, 0, v.out<float>(0));
      run(v, 1, plan_.backward_input, plan_.merges ? v.out<float>(0) + cells_[0].shape().units : v.out<float>(1));
    }
  }

 private:
  void run(const Invocation& v, int direction, int input, float* out) const {
    const RnnShape& s = cells_[direction].shape();
    const int64_t stride = plan_.merges ? cells_[0].shape().units + cells_[1].shape().units : s.units;
    Sequence sequence = plan_.sequence;
    sequence.backward = direction == 1;
    sequence.each_step([&](int64_t first, int64_t first_state) {
      const float* aux = s.aux_depth > 0 ? v.in<float>(kAuxInput) + first * s.aux_depth : nullptr;
      cells_[direction].step(v, v.in<float>(input) + first * s.depth, aux,
                             v.state<float>(states_[direction]) + first_state * s.units, out + first * stride, stride);
    });
  }

  RnnCell<Weight> cells_[2];
  int states_[2];
  BidirectionalPlan plan_;
};

// Returns the depth of the auxiliary input where it has weights of its own.
int64_t check_aux(const Preparation& p, const RnnTensors (&tensors)[2], const RnnShape (&shapes)[2]) {
  const Shape& input = p.input(0).shape;
  const Operand& aux = p.input(kAuxInput);
  if (aux.dtype != DType::float32) p.unsupported("auxiliary input is ", dtype_name(aux.dtype));
  p.require(aux.shape.rank() == 3 && aux.shape[0] == input[0] && aux.shape[1] == input[1], "auxiliary input has shape ",
            aux.shape.text(), " beside an input of shape ", input.text());
  const int64_t depth = aux.shape[2];
  if (!has_aux(tensors[0])) {
    p.require(depth == input[2], "auxiliary input has shape ", aux.shape.text(), " and no weights");
    return 0;
  }
  p.require(depth > 0, "auxiliary input has shape ", aux.shape.text());
  for (int i = 0; i < 2; ++i)
    require_tensor(p, tensors[i].aux_weights, p.input(tensors[i].weights).dtype, {shapes[i].units, depth});
  return depth;
}

Compute prepare_bidirectional_rnn(Preparation& p) {
  BidirectionalPlan plan;
  plan.merges = p.options().boolean("merge_outputs");
  p.expect(12, plan.merges ? 1 : 2);
  require_float(p);
  const Shape& input = p.input(0).shape;
  plan.sequence = Sequence::of(p, input);
  RnnTensors tensors[2] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
  p.require(p.has_input(10) == p.has_input(11), "has auxiliary weights for one direction only");
  for (int i = 0; i < 2 && p.has_input(10); ++i) tensors[i].aux_weights = 10 + i;
  RnnShape shapes[2] = {check_cell(p, tensors[0], input, plan.sequence),
                        check_cell(p, tensors[1], input, plan.sequence)};
  p.require(p.input(1).dtype == p.input(5).dtype, "weights are ", dtype_name(p.input(1).dtype), " and ",
            dtype_name(p.input(5).dtype));
  if (p.has_input(kAuxInput) || has_aux(tensors[0])) {
    for (RnnShape& shape : shapes) shape.aux_depth = check_aux(p, tensors, shapes);
    if (!has_aux(tensors[0]) && plan.sequence.time_major) plan.backward_input = kAuxInput;
  }
  const auto width = [&input](int64_t units) { return input.with(2, static_cast<int32_t>(units)); };
  p.set_output(0, width(shapes[0].units + (plan.merges ? shapes[1].units : 0)));
  if (!plan.merges) p.set_output(1, width(shapes[1].units));
  if (p.input(1).dtype == DType::float32) {
    const auto rnn = std::make_shared<const BidirectionalRnn<float>>(p, tensors, shapes, plan);
    return [rnn](const Invocation& v) { (*rnn)(v); };
  }
  if (plan.sequence.time_major) plan.passes = plan.sequence.time;
  const auto rnn = std::make_shared<const BidirectionalRnn<int8_t>>(p, tensors, shapes, plan);
  return [rnn](const Invocation& v) { (*rnn)(v); };
}

}  // namespace

void register_rnn(Registry& registry) {
  registry.add("BIDIRECTIONAL_SEQUENCE_RNN", prepare_bidirectional_rnn);
  registry.add("RNN", prepare_rnn);
  registry.add("UNIDIRECTIONAL_SEQUENCE_RNN", prepare_unidirectional_rnn);
}

}  // namespace subgraft
