#include "runtime/program.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>

#include "runtime/running_program.h"

namespace subgraft {

Program::Program(ProgramRequest request)
    : request_(std::move(request)),
      graph_(request_.model->subgraphs.at(request_.subgraph)),
      plan_(plan_for(request_)),
      values_(plan_->values),
      readers_(plan_->readers),
      steps_(plan_->steps),
      step_ops_(plan_->step_ops),
      calls_(plan_->calls),
      changed_(plan_->changed),
      storages_(plan_->storages),
      scratch_blocks_(plan_->scratch_blocks),
      pointers_to_(plan_->pointers_to) {
  if (!request_.resources) request_.resources = std::make_shared<Resources>();
  if (!plan_->is_made) make_plan();
  connect();
  reset_variables();
}

Program::~Program() = default;

std::string Program::op_name(int op) const {
  return concat("op ", op, " ", request_.model->opcodes[graph_.ops[op].opcode].name());
}

const Program::Value& Program::value(int tensor) const {
  if (tensor < 0 || tensor >= static_cast<int>(values_.size()))
    throw ArgumentError(concat("tensor index ", tensor, " is outside 0 to ", static_cast<int>(values_.size()) - 1));
  return values_[tensor];
}

void Program::reset_variables() {
  for (const Step& step : steps_)
    if (step.control)
      for (const Body& body : step.control->bodies()) body.program()->reset_variables();
  for (size_t t = 0; t < values_.size(); ++t) {
    const Value& variable = values_[t];
    std::byte* const data = variable.home == Home::variable ? data_of(static_cast<int>(t)) : nullptr;
    if (!data) continue;
    const TensorDef& def = graph_.tensors[t];
    const auto& quantization = def.quantization;
    const bool has_zero = def.dtype == DType::int8 && quantization && !quantization->zero_point.empty();
    std::memset(data, has_zero ? static_cast<int>(quantization->zero_point[0]) : 0,
                static_cast<size_t>(bytes(static_cast<int>(t))));
  }
}

void Program::take(int64_t bytes) {
  taken_bytes_ += bytes;
  if (taken_bytes_ <= memory_limit()) return;
  taken_bytes_ -= bytes;
  throw Unsupported(concat("this needs ", bytes, " bytes more than the ", taken_bytes_,
                           " in use, over the memory limit of ", memory_limit(),
                           "; raise SUBGRAFT_MAX_BYTES if that is intended"));
}

void Program::bind(int tensor, std::byte* data) {
  const Value& bound = value(tensor);
  const auto constant = constant_outputs_.find(tensor);
  if (constant != constant_outputs_.end()) {
    constant->second = data;
    return;
  }
  if (bound.home != Home::external)
    throw ArgumentError(concat("tensor ", tensor, " is no input or output of this external program"));
  place(tensor, data);
}

void Program::place(int tensor, std::byte* data) {
  const Value& placed = values_[tensor];
  if (placed.home != Home::external) {
    values_[tensor].data = data;
    for (const size_t pointer : pointers_to_[tensor]) pointers_[pointer] = data;
    return;
  }
  if (data_of(tensor) == data) return;
  for (const int t : storages_[static_cast<size_t>(placed.storage)].tensors) {
    std::byte* const at = data ? data + values_[t].offset : nullptr;
    own_data_[t] = at;
    for (const size_t pointer : pointers_to_[t]) pointers_[pointer] = at;
  }
}

void Program::run() {
  if (request_.external) {
    for (const auto* tensors : {&request_.inputs, &request_.outputs})
      for (const int t : *tensors)
        if (values_[t].home == Home::external && !data_of(t))
          throw ArgumentError(concat("tensor ", t, " has no memory: bind() it first"));
  }
  std::optional<RunningProgram> running;
  if (!request_.is_body) running.emplace();
  static ThreadPool caller_only(1);
  const bool is_compared = !request_.is_body && request_.pool->size() > 1;
  now_ = is_compared && !division_.divides() ? &caller_only : request_.pool.get();
  const bool is_timed = is_compared && division_.is_measuring();
  const auto start = is_timed ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
  run_calls();
  publish_outputs();
  if (!is_compared || profiling_) return;
  const std::chrono::duration<double> taken = is_timed ? std::chrono::steady_clock::now() - start : start - start;
  division_.ran(taken.count());
}

void Program::run_calls() {
  size_t i = 0;
  try {
    if (profiling_) {
      for (; i < calls_.size(); ++i) {
        const auto start = std::chrono::steady_clock::now();
        run_call(calls_[i]);
        seconds_[calls_[i].step] += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      }
      ++profiled_runs_;
    } else {
      for (; i < calls_.size(); ++i) run_call(calls_[i]);
    }
  } catch (const RunError& error) {
    throw RunError(op_name(steps_[calls_[i].step].op) + ": " + error.what());
  } catch (const ModelError& error) {
    throw ModelError(op_name(steps_[calls_[i].step].op) + ": " + error.what());
  } catch (const Unsupported& error) {
    throw Unsupported(op_name(steps_[calls_[i].step].op) + ": " + error.what());
  }
}

void Program::run_call(const Call& call) {
  if (!call.compute) {
    run_dynamic(steps_[call.step]);
    return;
  }
  std::byte* const* first = pointers_.data() + call.pointers;
  (*call.compute)(Invocation(first, first + call.inputs, first + call.inputs + call.outputs, *now_));
}

void Program::publish_outputs() {
  for (const auto& [tensor, data] : constant_outputs_)
    if (data && data != values_[tensor].data)
      std::memcpy(data, values_[tensor].data, static_cast<size_t>(bytes(tensor)));
}

Shape Program::shape(int tensor) const {
  const Value& of = value(tensor);
  if (of.known || of.home == Home::dynamic) return of.shape;
  return Shape(graph_.tensors[tensor].shape);
}

std::byte* Program::data(int tensor) {
  if (value(tensor).sparse) spell_out(tensor);
  return data_of(tensor);
}

std::byte* Program::data_of(int tensor) const {
  const Value& of = values_[static_cast<size_t>(tensor)];
  if (of.home == Home::arena) return of.storage >= 0 ? arena_.data() + of.offset : nullptr;
  if (of.home != Home::external && of.home != Home::variable) return of.data;
  const auto found = own_data_.find(tensor);
  return found != own_data_.end() ? found->second : nullptr;
}

std::shared_ptr<const void> Program::holder(int tensor) const { return value(tensor).holder; }

int64_t Program::bytes(int tensor) const {
  return dense_bytes(graph_.tensors[tensor].dtype, value(tensor).shape.elements());
}

bool Program::is_constant(int tensor) const { return value(tensor).home == Home::constant; }
bool Program::is_variable(int tensor) const { return value(tensor).home == Home::variable; }
bool Program::is_dynamic(int tensor) const { return value(tensor).home == Home::dynamic; }
bool Program::is_readable(int tensor) const {
  const Value& of = value(tensor);
  return (data_of(tensor) || of.sparse) && (of.home != Home::arena || of.kept);
}

void Program::profile(bool on) {
  profiling_ = on;
  profiled_runs_ = 0;
  seconds_.assign(on ? steps_.size() : 0, 0.0);
}

}  // namespace subgraft
