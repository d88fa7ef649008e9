// The second half of making a program: who lives when, what lies where, and which pointers each step gets.
#include <algorithm>
#include <limits>

#include "runtime/program.h"

namespace subgraft {

namespace {
constexpr int kForever = std::numeric_limits<int>::max();
}

void Program::lay_out() {
  const int steps = static_cast<int>(steps_.size());
  std::vector<int> last_use(values_.size(), -1);
  for (int s = 0; s < steps; ++s)
    for (const int t : graph_.ops[steps_[s].op].inputs)
      if (t >= 0) last_use[t] = s;
  for (const auto* kept : {&request_.inputs, &request_.outputs})
    for (const int t : *kept) last_use[t] = kForever;
  for (const int t : request_.outputs) {
    Value& output = values_[t];
    if (output.home == Home::none) define_constant(t);
    spell_out(t);
    if (output.home == Home::none)
      throw ModelError(concat("output tensor ", t, " '", graph_.tensors[t].name, "' is produced by no op"));
    output.kept = true;
    if (output.home == Home::constant && request_.external) constant_outputs_[t] = nullptr;
    if (output.home == Home::arena && request_.external) output.home = Home::external;
    // A shape from the caller is a promise; without one the output keeps memory of its own, sized in each run.
    const auto given = request_.shapes.find(t);
    if (output.home == Home::dynamic && request_.external && given != request_.shapes.end()) {
      output.home = Home::external;
      output.shape = given->second;
    }
  }
  if (request_.keep_all)
    for (size_t t = 0; t < values_.size(); ++t) {
      values_[t].kept = true;
      last_use[t] = kForever;
    }

  auto add_storage = [&](int t, int first) {
    const int64_t size = storage_bytes(graph_.tensors[t].dtype, values_[t].shape.elements());
    values_[t].storage = static_cast<int>(storages_.size());
    storages_.push_back({{std::max<int64_t>(size, 1), first, std::max(first, last_use[t]), 0}, t});
  };
  for (const int t : request_.inputs)
    if (values_[t].home == Home::arena && values_[t].storage < 0) add_storage(t, -1);
  for (int s = 0; s < steps; ++s)
    for (const int t : graph_.ops[steps_[s].op].outputs)
      if (t >= 0 && values_[t].home == Home::arena) add_storage(t, s);
  share_storages(last_use);

  std::vector<ArenaBlock> blocks;
  for (const Storage& storage : storages_) blocks.push_back(storage.block);
  for (int s = 0; s < steps; ++s)
    for (const int64_t size : steps_[s].scratch) blocks.push_back({size, s, s, 0});
  const int64_t arena_bytes = plan_arena(blocks);
  live_bytes_ = most_alive(blocks);
  take(arena_bytes);
  arena_ = Arena(arena_bytes);
  for (size_t i = 0; i < storages_.size(); ++i) storages_[i].block.offset = blocks[i].offset;
  scratch_blocks_.assign(blocks.begin() + static_cast<std::ptrdiff_t>(storages_.size()), blocks.end());
  for (const ArenaBlock& block : scratch_blocks_) scratch_bytes_ = std::max(scratch_bytes_, block.size);
}

// In place where legal: the input lies in the arena, this step is the last to read it, and it is not one that must
// outlive the run.
void Program::share_storages(std::vector<int>& last_use) {
  for (int s = 0; s < static_cast<int>(steps_.size()); ++s) {
    const OpDef& op = graph_.ops[steps_[s].op];
    for (const auto& [output, input] : steps_[s].shares) {
      Value& from = values_[op.inputs[input]];
      Value& to = values_[op.outputs[output]];
      if (from.home != Home::arena || to.home != Home::arena || from.kept || from.storage == to.storage) continue;
      Storage& storage = storages_[from.storage];
      Storage& dropped = storages_[to.storage];
      if (dropped.block.first != s) continue;  // the output took another input's memory
      if (last_use[op.inputs[input]] != s || storage.block.last != s || dropped.block.size > storage.block.size)
        continue;
      // A second input of the same op may lie in that memory already.
      const bool read_twice = std::count_if(op.inputs.begin(), op.inputs.end(),
                                            [&](int t) { return t >= 0 && values_[t].storage == from.storage; }) > 1;
      if (read_twice) continue;
      storage.block.last = dropped.block.last;
      dropped.block.size = 0;
      to.storage = from.storage;
    }
  }
}

void Program::connect() {
  for (size_t t = 0; t < values_.size(); ++t) {
    Value& value = values_[t];
    if (value.home == Home::arena) {
      const ArenaBlock& block = storages_[value.storage].block;
      value.data = arena_.data() + block.offset;
      placements_.push_back({static_cast<int>(t), block.offset, bytes(static_cast<int>(t)), block.first, block.last});
    } else if (value.home == Home::variable) {
      take(bytes(static_cast<int>(t)));
      variables_.push_back(std::make_unique<Arena>(std::max<int64_t>(1, bytes(static_cast<int>(t)))));
      value.data = variables_.back()->data();
    }
  }
  pointers_to_.resize(values_.size());
  size_t next_scratch = 0;
  for (Step& step : steps_) {
    step.pointers = pointers_.size();
    const OpDef& op = graph_.ops[step.op];
    for (const auto* tensors : {&op.inputs, &op.outputs})
      for (const int t : *tensors) {
        if (t >= 0) pointers_to_[t].push_back(pointers_.size());
        pointers_.push_back(t >= 0 ? values_[t].data : nullptr);
      }
    for (size_t i = 0; i < step.scratch.size(); ++i)
      pointers_.push_back(arena_.data() + scratch_blocks_[next_scratch++].offset);
  }
}

}  // namespace subgraft
