#include "runtime/control.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/errors.h"
#include "runtime/program.h"
#include "runtime/resources.h"

namespace subgraft {
namespace {

constexpr std::string_view kControl[] = {"CALL", "CALL_ONCE", "IF", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE", "WHILE"};

// How often a long loop asks whether it shall end, and after how many steps it looks at the clock.
constexpr std::chrono::milliseconds kPollEvery{50};
constexpr int64_t kStepsPerLook = 16;

bool is_plain(DType dtype) { return dtype != DType::string && dtype_bits(dtype) >= 8; }

void copy_bytes(std::byte* to, const std::byte* from, int64_t bytes) {
  if (to != from && bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
}

}  // namespace

bool is_control(std::string_view op) {
  return std::find(std::begin(kControl), std::end(kControl), op) != std::end(kControl);
}

Body::Body(std::shared_ptr<Program> program) : program_(std::move(program)) {
  const auto &inputs = program_->inputs(), &outputs = program_->subgraph().outputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool is_twice = std::count(inputs.begin(), inputs.end(), inputs[i]) > 1;
    if (is_twice || program_->is_variable(inputs[i]) || !is_plain(input_type(i)))
      throw Unsupported("a body with state or strings among its inputs");
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int t = outputs[i];
    if (program_->is_dynamic(t) || program_->is_variable(t) || !is_plain(output_type(i)))
      throw Unsupported("a body whose outputs are state, strings or of shapes that are known only while running");
    const auto place = [t](const std::vector<int>& tensors, size_t count) {
      const auto end = tensors.begin() + static_cast<std::ptrdiff_t>(count);
      const auto found = std::find(tensors.begin(), end, t);
      return found == end ? -1 : static_cast<int>(found - tensors.begin());
    };
    outputs_.push_back({t, place(inputs, inputs.size()), place(outputs, i), program_->shape(t), program_->bytes(t)});
  }
  bound_inputs_.resize(inputs.size());
  bound_outputs_.resize(outputs.size());
}

int Body::graph() const { return program_->graph_index(); }

size_t Body::inputs() const { return program_->inputs().size(); }
DType Body::input_type(size_t i) const {
  return program_->subgraph().tensors[static_cast<size_t>(program_->inputs()[i])].dtype;
}
DType Body::output_type(size_t i) const {
  return program_->subgraph().tensors[static_cast<size_t>(program_->subgraph().outputs[i])].dtype;
}

bool Body::may_overwrite(size_t output, size_t input) const {
  return is_made(output) && program_->may_overwrite(outputs_[output].tensor, program_->inputs()[input]);
}

void Body::bind_input(size_t i, std::byte* data) {
  bound_inputs_[i] = data;
  program_->bind(program_->inputs()[i], data);
}

void Body::bind_output(size_t i, std::byte* data) {
  bound_outputs_[i] = data;
  if (is_made(i)) program_->bind(outputs_[i].tensor, data);
}

void Body::run() {
  // Other ops may run the same graph, and bind it to their memory.
  if (program_->claim(this)) {
    for (size_t i = 0; i < bound_inputs_.size(); ++i) bind_input(i, bound_inputs_[i]);
    for (size_t i = 0; i < bound_outputs_.size(); ++i) bind_output(i, bound_outputs_[i]);
  }
  program_->run();
}

void Body::copy_output(size_t i, std::byte* data) const {
  const Output& output = outputs_[i];
  const std::byte* from = output.input >= 0     ? bound_inputs_[static_cast<size_t>(output.input)]
                          : output.same_as >= 0 ? bound_outputs_[static_cast<size_t>(output.same_as)]
                                                : bound_outputs_[i];
  copy_bytes(data, from, output.bytes);
}

Control::Control(std::string_view op, std::vector<Body> bodies, const Operands& taken, const Operands& given,
                 Resources& resources, const LoopLimits& limits)
    : bodies_(std::move(bodies)), resources_(resources), limits_(limits) {
  kind_ = op == "WHILE"            ? Kind::loop
          : op == "IF"             ? Kind::choice
          : op == "STABLEHLO_CASE" ? Kind::branches
          : op == "CALL_ONCE"      ? Kind::once
                                   : Kind::call;
  if (bodies_.empty()) throw Unsupported("there is no body");
  const size_t first = kind_ == Kind::choice || kind_ == Kind::branches ? 1 : 0;
  for (const Body& body : bodies_) {
    if (body.inputs() + first != taken.size()) throw Unsupported("a body takes another number of inputs");
    for (size_t i = 0; i < body.inputs(); ++i)
      if (body.input_type(i) != taken[i + first].first) throw Unsupported("a body takes inputs of other types");
  }
  if (kind_ == Kind::once) {
    if (bodies_[0].inputs() + bodies_[0].outputs() > 0) throw Unsupported("what runs once has inputs or outputs");
    return;
  }
  if (first == 1 &&
      (taken[0].second.elements() != 1 || taken[0].first != (kind_ == Kind::choice ? DType::boolean : DType::int32)))
    throw Unsupported("what chooses the branch is not one element of its type");
  const size_t result = kind_ == Kind::loop ? 1 : 0;
  for (size_t i = 0; i < given.size(); ++i)
    shapes_.push_back(i < bodies_[result].outputs() ? bodies_[result].output_shape(i) : Shape());
  for (size_t b = result; b < bodies_.size(); ++b) {
    if (bodies_[b].outputs() != given.size()) throw Unsupported("a body gives another number of outputs");
    for (size_t i = 0; i < given.size(); ++i)
      if (!(bodies_[b].output_shape(i) == shapes_[i]) || bodies_[b].output_type(i) != given[i].first)
        throw Unsupported("bodies give outputs of different types or shapes");
  }
  if (kind_ == Kind::loop) plan_loop(taken);
}

void Control::plan_loop(const Operands& taken) {
  Body &condition = bodies_[0], &body = bodies_[1];
  if (condition.outputs() != 1 || condition.output_shape(0).elements() != 1 ||
      condition.output_type(0) != DType::boolean)
    throw Unsupported("the condition is not one bool");
  if (shapes_.size() != taken.size()) throw Unsupported("a loop has as many outputs as inputs");
  for (size_t i = 0; i < shapes_.size(); ++i) {
    if (!(shapes_[i] == taken[i].second)) throw Unsupported("a loop's variable changes its shape");
    const int n = static_cast<int>(i);
    Variable variable{Way::copied, body.output_bytes(i), -1};
    if (body.passed(i) == n) {
      variable.way = Way::unchanged;
      unchanged_.emplace_back(n, n);
    } else {
      changed_.emplace_back(n, n);
      bool goes_elsewhere = false;
      for (size_t other = 0; other < shapes_.size(); ++other) goes_elsewhere |= body.passed(other) == n;
      if (!goes_elsewhere && body.may_overwrite(i, i)) variable.way = Way::in_place;
    }
    if (variable.way == Way::copied) {
      variable.slot = static_cast<int>(scratch_.size());
      scratch_.push_back(variable.bytes);
    }
    variables_.push_back(variable);
  }
  condition_slot_ = static_cast<int>(scratch_.size());
  scratch_.push_back(1);
}

void Control::run(const Invocation& v) {
  switch (kind_) {
    case Kind::loop:
      return loop(v);
    case Kind::choice:
      return call(bodies_[*v.in<bool>(0) ? 0 : 1], v, 1);
    case Kind::branches: {
      const auto count = static_cast<int32_t>(bodies_.size());
      const int32_t chosen = *v.in<int32_t>(0);
      return call(bodies_[static_cast<size_t>(chosen >= 0 && chosen < count ? chosen : count - 1)], v, 1);
    }
    case Kind::call:
      return call(bodies_[0], v, 0);
    case Kind::once:
      const int graph = bodies_[0].graph();
      if (resources_.has_run(graph)) return;
      bodies_[0].run();
      resources_.set_run(graph);
  }
}

void Control::call(Body& body, const Invocation& v, int first) {
  for (size_t i = 0; i < body.inputs(); ++i) body.bind_input(i, v.state<std::byte>(static_cast<int>(i) + first));
  for (size_t i = 0; i < body.outputs(); ++i) body.bind_output(i, v.out<std::byte>(static_cast<int>(i)));
  body.run();
  for (size_t i = 0; i < body.outputs(); ++i)
    if (!body.is_made(i)) body.copy_output(i, v.out<std::byte>(static_cast<int>(i)));
}

void Control::loop(const Invocation& v) {
  begin_loop(v);
  int64_t steps = 0;
  auto polled = std::chrono::steady_clock::now();
  while (condition(v)) {
    if (limits_.most_steps && steps == *limits_.most_steps)
      throw RunError(
          concat("it wants more than ", steps, " steps; load(max_loop_steps=...) says how many it may take"));
    step_loop(v);
    if (++steps % kStepsPerLook != 0 || !limits_.poll) continue;
    const auto now = std::chrono::steady_clock::now();
    if (now - polled < kPollEvery) continue;
    limits_.poll();
    polled = now;
  }
}

// The variables lie where the op's outputs do, from the first step on; what no step changes stays where it is.
void Control::begin_loop(const Invocation& v) {
  Body &condition = bodies_[0], &body = bodies_[1];
  for (size_t i = 0; i < variables_.size(); ++i) {
    const Variable& variable = variables_[i];
    const int n = static_cast<int>(i);
    auto *in = v.state<std::byte>(n), *out = v.out<std::byte>(n);
    copy_bytes(out, in, variable.bytes);
    std::byte* const place = variable.way == Way::unchanged ? in : out;
    condition.bind_input(i, place);
    body.bind_input(i, place);
    body.bind_output(i, variable.slot >= 0 ? v.scratch<std::byte>(variable.slot) : place);
  }
  condition.bind_output(0, v.scratch<std::byte>(condition_slot_));
}

void Control::step_loop(const Invocation& v) {
  Body& body = bodies_[1];
  body.run();
  // Those that are other variables first, while these have their old values.
  for (size_t i = 0; i < variables_.size(); ++i)
    if (variables_[i].slot >= 0 && !body.is_made(i)) body.copy_output(i, v.scratch<std::byte>(variables_[i].slot));
  for (size_t i = 0; i < variables_.size(); ++i)
    if (variables_[i].slot >= 0)
      copy_bytes(v.out<std::byte>(static_cast<int>(i)), v.scratch<std::byte>(variables_[i].slot), variables_[i].bytes);
}

bool Control::condition(const Invocation& v) {
  Body& body = bodies_[0];
  auto* const truth = v.scratch<std::byte>(condition_slot_);
  body.run();
  if (!body.is_made(0)) body.copy_output(0, truth);
  return *truth != std::byte{0};
}

}  // namespace subgraft
