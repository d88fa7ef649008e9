// Ops that are done by the op before them: found while preparing, for kernels that ask for their follower.
#include <algorithm>

#include "runtime/program.h"

namespace subgraft {

void Program::count_readers() {
  readers_.resize(values_.size());
  last_reader_.assign(values_.size(), -1);
  is_taken_over_.resize(graph_.ops.size());
  for (const int op : request_.ops)
    for (const int t : graph_.ops.at(op).inputs)
      if (t >= 0) {
        ++readers_[t];
        last_reader_[t] = op;
      }
  for (const int t : request_.outputs) ++readers_[t];
}

int Program::follower_of(const OpDef& op, const Changes& changes) {
  if (op.outputs.size() != 1 || op.outputs[0] < 0) return -1;
  const int made = changes.output >= 0 ? changes.output : op.outputs[0];
  const int index = last_reader_[made];
  if (readers_[made] != 1 || index < 0) return -1;
  constexpr size_t kMostInputs = 2;
  const OpDef& next = graph_.ops[index];
  const int output = next.outputs.size() == 1 ? next.outputs[0] : -1;
  if (next.inputs.size() > kMostInputs || output < 0) return -1;
  const TensorDef &before = graph_.tensors[made], &after = graph_.tensors[output];
  if (before.dtype != after.dtype || before.is_variable || after.is_variable || values_[output].home != Home::none)
    return -1;
  for (const int t : next.inputs) {
    if (t == made) continue;
    if (t < 0) return -1;
    define_constant(t);
    const Value& other = values_[t];
    if (other.home == Home::none || other.home == Home::variable || !other.known || other.sparse) return -1;
  }
  return index;
}

Preparation::Follower Program::described(int follower, int tensor) const {
  const OpDef& op = graph_.ops[follower];
  Preparation::Follower described{request_.model->opcodes[op.opcode].name(), &op.options, 0, std::nullopt};
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    if (op.inputs[i] == tensor)
      described.position = static_cast<int>(i);
    else
      described.other = operand(op.inputs[i], true);
  }
  return described;
}

void Program::offer_followers(const OpDef& op, Changes& changes, Preparation::Host& host) {
  if (request_.keep_all) return;
  host.follower = [this, &op, &changes]() -> std::optional<Preparation::Follower> {
    const int next = follower_of(op, changes);
    if (next < 0) return std::nullopt;
    return described(next, changes.output >= 0 ? changes.output : op.outputs[0]);
  };
  host.take_over_follower = [this, &op, &changes] {
    const int next = follower_of(op, changes);
    const OpDef& follower = graph_.ops[next];
    const int made = changes.output >= 0 ? changes.output : op.outputs[0];
    changes.taken_over.push_back(next);
    changes.output = follower.outputs[0];
    const auto other = std::find_if(follower.inputs.begin(), follower.inputs.end(), [&](int t) { return t != made; });
    if (other == follower.inputs.end()) return -1;
    changes.more_inputs.push_back(*other);
    return static_cast<int>(op.inputs.size() + changes.more_inputs.size()) - 1;
  };
}

// The op with these changes, which are final.
const OpDef& Program::changed(const OpDef& op, const Changes& changes) {
  if (changes.inputs.empty() && changes.taken_over.empty()) return op;
  OpDef& made = changed_.emplace_back(op);
  for (const auto& [i, tensor] : changes.inputs) made.inputs[i] = tensor;
  made.inputs.insert(made.inputs.end(), changes.more_inputs.begin(), changes.more_inputs.end());
  if (changes.output >= 0) made.outputs[0] = changes.output;
  for (const int taken : changes.taken_over) is_taken_over_[taken] = true;
  return made;
}

}  // namespace subgraft
