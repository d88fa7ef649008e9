// The second half of making a program: who lives when, what lies where, and which pointers each step gets.
#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/program.h"

namespace subgraft {

namespace {
constexpr int kForever = std::numeric_limits<int>::max();

// Assigning {} keeps a vector's memory.
template <typename T>
void drop(std::vector<T>& vector) {
  vector = std::vector<T>();
}
}  // namespace

void Program::lay_out() {
  admit_outputs();
  if (!request_.keep_all) drop_unused();
  const std::vector<int> last_use = last_uses();
  make_storages(last_use);
  for (Step& step : steps_) place_parts(step);
  share_storages(last_use);

  std::vector<ArenaBlock> blocks;
  std::vector<size_t> planned;  // the storage of each block
  for (size_t i = 0; i < storages_.size(); ++i)
    if (!storages_[i].is_external && !storages_[i].tensors.empty()) {
      blocks.push_back(storages_[i].block);
      planned.push_back(i);
    }
  for (int s = 0; s < static_cast<int>(steps_.size()); ++s)
    if (!steps_[s].in_place)
      for (const int64_t size : steps_[s].wishes->scratch) blocks.push_back({size, s, s, 0});
  const int64_t arena_bytes = plan_arena(blocks);
  plan_->live_bytes = most_alive(blocks);
  plan_->arena_bytes = arena_bytes;
  for (size_t i = 0; i < planned.size(); ++i) {
    Storage& storage = storages_[planned[i]];
    storage.block.offset = blocks[i].offset;
    for (const int t : storage.tensors) values_[t].offset += storage.block.offset;
  }
  scratch_blocks_.assign(blocks.begin() + static_cast<std::ptrdiff_t>(planned.size()), blocks.end());
  for (const Step& step : steps_)
    if (!step.in_place)
      plan_->scratch_bytes = std::max(
          plan_->scratch_bytes, std::accumulate(step.wishes->scratch.begin(), step.wishes->scratch.end(), int64_t{0}));
}

void Program::admit_outputs() {
  for (const int t : request_.outputs) {
    Value& output = values_[t];
    if (output.home == Home::none) define_constant(t);
    spell_out(t);
    if (output.home == Home::none)
      throw ModelError(concat("output tensor ", t, " '", graph_.tensors[t].name, "' is produced by no op"));
    output.kept = true;
    if (output.home == Home::constant && request_.external) plan_->constant_outputs.push_back(t);
    if (output.home == Home::arena && request_.external) output.home = Home::external;
    // A shape from the caller is a promise; without one the output keeps memory of its own, sized in each run.
    const auto given = request_.shapes.find(t);
    if (output.home == Home::dynamic && request_.external && given != request_.shapes.end()) {
      output.home = Home::external;
      output.shape = given->second;
    }
  }
  if (request_.keep_all)
    for (Value& value : values_) value.kept = true;
}

// Steps that nobody reads and that change nothing else go; those of unknown shapes stay, for what they may refuse.
void Program::drop_unused() {
  std::vector<bool> needed(values_.size());
  for (const int t : request_.outputs) needed[t] = true;
  const auto is_needed = [&](int t) { return t >= 0 && needed[t]; };
  const auto is_variable = [&](int t) { return t >= 0 && graph_.tensors[t].is_variable; };
  std::vector<bool> stays(steps_.size());
  for (size_t s = steps_.size(); s-- > 0;) {
    const Step& step = steps_[s];
    const auto &inputs = step.def->inputs, &outputs = step.def->outputs;
    stays[s] = (step.dynamic && !step.wishes->is_replaced) || step.wishes->has_effects || outputs.empty() ||
               std::any_of(outputs.begin(), outputs.end(), is_needed) ||
               std::any_of(inputs.begin(), inputs.end(), is_variable);
    for (const int t : inputs)
      if (stays[s] && t >= 0) needed[t] = true;
    for (const int t : outputs)
      if (!stays[s] && t >= 0) values_[t].home = Home::none;
  }
  size_t kept = 0;
  for (size_t s = 0; s < steps_.size(); ++s) {
    if (!stays[s]) continue;
    if (kept != s) {
      steps_[kept] = std::move(steps_[s]);
      step_ops_[kept] = step_ops_[s];
    }
    ++kept;
  }
  steps_.resize(kept);
  step_ops_.resize(kept);
}

std::vector<int> Program::last_uses() const {
  std::vector<int> last_use(values_.size(), -1);
  for (int s = 0; s < static_cast<int>(steps_.size()); ++s)
    for (const int t : steps_[s].def->inputs)
      if (t >= 0) last_use[t] = s;
  for (const auto* kept : {&request_.inputs, &request_.outputs})
    for (const int t : *kept) last_use[t] = kForever;
  if (request_.keep_all) std::fill(last_use.begin(), last_use.end(), kForever);
  return last_use;
}

void Program::make_storages(const std::vector<int>& last_use) {
  const auto is_placed = [&](int t) {
    return t >= 0 && values_[t].storage < 0 && (values_[t].home == Home::arena || values_[t].home == Home::external);
  };
  for (const int t : request_.inputs)
    if (is_placed(t)) storages_[static_cast<size_t>(add_storage(t, -1, kForever))].holds_input = true;
  for (int s = 0; s < static_cast<int>(steps_.size()); ++s) {
    Step& step = steps_[s];
    for (const int t : step.def->outputs)
      if (t >= 0) values_[t].maker = s;
    place_views(step, s, last_use);
    for (const int t : step.def->outputs)
      if (is_placed(t)) add_storage(t, s, std::max(s, last_use[t]));
  }
}

int Program::add_storage(int tensor, int first, int last) {
  Value& value = values_[tensor];
  const int64_t size = std::max<int64_t>(1, storage_bytes(graph_.tensors[tensor].dtype, value.shape.elements()));
  value.storage = static_cast<int>(storages_.size());
  storages_.push_back({{size, first, last, 0}, value.home == Home::external, value.kept, false, {tensor}});
  return value.storage;
}

// Whether an output may lie where its bytes are in an input already.
bool Program::may_view(const Step& step, const Within& view) const {
  const int t = step.def->inputs[static_cast<size_t>(view.input)];
  const Value &from = values_[t], &to = values_[step.def->outputs[static_cast<size_t>(view.output)]];
  if (to.home != Home::arena || from.storage < 0 || to.storage >= 0) return false;
  // What is read after the run must not change when the next inputs are set.
  return !(to.kept && (storages_[static_cast<size_t>(from.storage)].holds_input || from.home == Home::external));
}

// All outputs of the step or none, where its closure writes all of them.
void Program::place_views(Step& step, int number, const std::vector<int>& last_use) {
  const OpDef& op = *step.def;
  if (step.dynamic || (step.wishes->has_effects && !step.wishes->sees_views)) return;
  size_t placed = 0;
  for (const Within& view : step.wishes->views) placed += may_view(step, view);
  const bool all = !step.wishes->views.empty() && placed == op.outputs.size();
  if (!all && !step.wishes->sees_views) return;
  for (const Within& view : step.wishes->views) {
    if (!may_view(step, view)) continue;
    const int t = op.outputs[static_cast<size_t>(view.output)];
    const Value& from = values_[op.inputs[static_cast<size_t>(view.input)]];
    Value& to = values_[t];
    Storage& storage = storages_[static_cast<size_t>(from.storage)];
    to.storage = from.storage;
    to.offset = from.offset + view.offset;
    to.home = from.home;
    storage.block.last = std::max({storage.block.last, number, last_use[t]});
    storage.is_kept = storage.is_kept || to.kept;
    storage.tensors.push_back(t);
  }
  step.in_place = all && !step.wishes->has_effects;
}

// Inputs whose bytes are part of the output are made right there, where their memory is nobody else's. So is the input
// that a lone output is a view of: that output is the caller's memory, or else it would lie in the input's.
void Program::place_parts(Step& step) {
  if (step.dynamic || step.in_place || step.control) return;
  if (step.wishes->parts.empty() && step.wishes->views.size() == 1 && step.wishes->views[0].offset == 0)
    step.wishes->parts = step.wishes->views;
  size_t placed = 0;
  for (const Within& part : step.wishes->parts) {
    const int from = step.def->inputs[static_cast<size_t>(part.input)];
    const int to = step.def->outputs[static_cast<size_t>(part.output)];
    const Value &source = values_[from], &target = values_[to];
    if (source.home != Home::arena || source.kept || target.storage < 0 || source.storage == target.storage) continue;
    const Storage& storage = storages_[static_cast<size_t>(source.storage)];
    const int64_t size = storage_bytes(graph_.tensors[from].dtype, source.shape.elements());
    const bool fits = part.offset + size <= bytes(to);
    if (storage.is_kept || storage.holds_input || size == 0 || storage.block.size != size || source.offset != 0 ||
        !fits)
      continue;
    merge(source.storage, target.storage, target.offset + part.offset);
    ++placed;
  }
  int64_t made = 0;
  for (const Within& part : step.wishes->parts) made += bytes(step.def->inputs[static_cast<size_t>(part.input)]);
  const bool all = placed > 0 && placed == step.wishes->parts.size() && step.def->outputs.size() == 1 &&
                   made == bytes(step.def->outputs[0]);
  if (all && !step.wishes->has_effects) step.in_place = true;
}

void Program::merge(int from, int into, int64_t offset) {
  Storage& source = storages_[static_cast<size_t>(from)];
  Storage& target = storages_[static_cast<size_t>(into)];
  target.block.first = std::min(target.block.first, source.block.first);
  target.block.last = std::max(target.block.last, source.block.last);
  for (const int t : source.tensors) {
    values_[t].storage = into;
    values_[t].offset += offset;
    if (target.is_external) values_[t].home = Home::external;
    target.tensors.push_back(t);
  }
  source.tensors.clear();
}

// In place where legal: the input lies in the arena, this step is the last to read anything there, and none of it must
// outlive the run.
void Program::share_storages(const std::vector<int>& last_use) {
  for (int s = 0; s < static_cast<int>(steps_.size()); ++s) {
    const OpDef& op = *steps_[s].def;
    for (const auto& [output, input] : steps_[s].wishes->shares) {
      const int source = op.inputs[static_cast<size_t>(input)];
      const Value& from = values_[source];
      const Value& to = values_[op.outputs[static_cast<size_t>(output)]];
      if (from.home != Home::arena || to.home != Home::arena || from.storage == to.storage) continue;
      const Storage &storage = storages_[static_cast<size_t>(from.storage)],
                    &dropped = storages_[static_cast<size_t>(to.storage)];
      // Otherwise the output took another input's memory, or lies among others.
      if (dropped.block.first != s || to.offset != 0) continue;
      if (storage.is_kept || last_use[source] != s || storage.block.last != s) continue;
      if (from.offset + dropped.block.size > storage.block.size) continue;
      // A second input of the same op may lie in that memory already.
      const bool read_twice = std::count_if(op.inputs.begin(), op.inputs.end(),
                                            [&](int t) { return t >= 0 && values_[t].storage == from.storage; }) > 1;
      if (read_twice) continue;
      if (dropped.is_kept) storages_[static_cast<size_t>(from.storage)].is_kept = true;
      merge(to.storage, from.storage, from.offset);
    }
  }
}

void Program::number_pointers() {
  std::vector<Placement>& placements = plan_->placements;
  placements.reserve(storages_.size());
  for (const Storage& storage : storages_) {
    if (storage.is_external) continue;
    for (const int t : storage.tensors)
      placements.push_back({t, values_[t].offset, bytes(t), storage.block.first, storage.block.last});
  }
  std::sort(placements.begin(), placements.end(), [](const auto& a, const auto& b) { return a.tensor < b.tensor; });
  const auto moves = [](const Value& value) {
    return value.home == Home::external || value.home == Home::dynamic || value.sparse;
  };
  const bool any_moves = std::any_of(values_.begin(), values_.end(), moves);
  if (any_moves) pointers_to_.resize(values_.size());
  size_t& next = plan_->pointers;
  for (Step& step : steps_) {
    if (step.in_place) continue;
    step.pointers = static_cast<uint32_t>(next);
    step.scratch = static_cast<uint32_t>(step.wishes->scratch.size());
    for (const auto* tensors : {&step.def->inputs, &step.def->outputs})
      for (const int t : *tensors) {
        if (any_moves && t >= 0 && values_[t].home != Home::arena) pointers_to_[t].push_back(next);
        ++next;
      }
    next += step.scratch;
  }
  calls_.reserve(steps_.size());
  for (size_t s = 0; s < steps_.size(); ++s) {
    const Step& step = steps_[s];
    if (step.in_place) continue;
    const Compute* compute = plan_->closures && step.is_pure ? &(*plan_->closures)[s] : &step.compute;
    calls_.push_back({step.dynamic ? nullptr : compute, step.pointers, static_cast<uint32_t>(step.def->inputs.size()),
                      static_cast<uint32_t>(step.def->outputs.size()), static_cast<uint32_t>(s)});
  }
}

void Program::connect() {
  taken_bytes_ = plan_->taken_bytes;
  take(plan_->arena_bytes);
  arena_ = Arena(plan_->arena_bytes);
  for (const int t : plan_->constant_outputs) constant_outputs_[t] = nullptr;
  for (size_t i = 0; i < values_.size(); ++i) {
    const int t = static_cast<int>(i);
    if (values_[i].home != Home::variable) continue;
    take(bytes(t));
    variables_.push_back(std::make_unique<Arena>(std::max<int64_t>(1, bytes(t))));
    own_data_[t] = variables_.back()->data();
  }
  pointers_.reserve(plan_->pointers);
  size_t next_scratch = 0;
  for (const Step& step : steps_) {
    if (step.in_place) continue;
    for (const auto* tensors : {&step.def->inputs, &step.def->outputs})
      for (const int t : *tensors) pointers_.push_back(t >= 0 ? data_of(t) : nullptr);
    for (size_t i = 0; i < step.scratch; ++i)
      pointers_.push_back(arena_.data() + scratch_blocks_[next_scratch++].offset);
  }
}

void Program::tidy_up() {
  for (Step& step : steps_) {
    if (step.in_place) step.compute = nullptr;
    if (!request_.is_body) step.wishes = nullptr;
  }
  if (!request_.is_body) drop(plan_->wishes);  // of a body they say what may_overwrite() asks
  drop(readers_);
  drop(last_reader_);
  drop(is_taken_over_);
  if (!request_.external) drop(storages_);
}

}  // namespace subgraft
