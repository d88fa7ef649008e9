// Ops whose shapes depend on values: prepared while running, and kept for the next run with such inputs.
#include <algorithm>
#include <cstring>

#include "runtime/packed.h"
#include "runtime/program.h"

namespace subgraft {
namespace {

// Shapes and values of its inputs that one op stays prepared for.
constexpr size_t kMostPrepared = 4;

}  // namespace

bool Program::is_for_now(const OpDef& op, const Prepared& prepared) const {
  if (!prepared.host.is_repeatable) return false;
  for (size_t i = 0; i < op.inputs.size(); ++i)
    if (op.inputs[i] >= 0 && !(values_[op.inputs[i]].shape == prepared.shapes[i])) return false;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const auto& asked = prepared.host.asked[i];
    if (!asked.empty() && std::memcmp(data_of(op.inputs[i]), asked.data(), asked.size()) != 0) return false;
  }
  return true;
}

Program::Prepared Program::prepare_now(const OpDef& op) {
  const OpCode& code = request_.model->opcodes[op.opcode];
  const Kernel kernel = Registry::builtin().find(code.name());
  Prepared made{{}, host_of(op), {}};
  Preparation::Host& host = made.host;
  host.is_running = true;
  static constexpr std::byte kNothing{};  // where the caller's memory of an empty input is null
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const int t = op.inputs[i];
    made.shapes.push_back(t >= 0 ? values_[t].shape : Shape());
    if (t < 0) continue;
    offer_sparse(i, t, kernel, host);
    const std::byte* const data = data_of(t);
    host.values[i] = data || host.sparse[i] ? data : &kNothing;
  }
  std::vector<Operand> inputs, outputs;
  for (const int t : op.inputs) inputs.push_back(t >= 0 ? operand(t, true) : Operand{});
  for (const int t : op.outputs) outputs.push_back(t >= 0 ? operand(t, false) : Operand{});
  const PackedOperands packed(code, inputs, outputs);
  Preparation preparation(op, code, std::move(inputs), std::move(outputs), host);
  made.compute = packed.around(kernel.prepare(preparation), host, *request_.pool);
  spell_out_unless_kept(op, host);
  for (size_t i = 0; i < op.outputs.size(); ++i)
    if (op.outputs[i] >= 0 && !host.shapes[i])
      throw ModelError(concat("the kernel left output ", i, " without a shape"));
  return made;
}

// The op prepared for its inputs as they are now; the latest first.
Program::Prepared& Program::prepared_now(Step& step) {
  const OpDef& op = *step.def;
  auto& kept = step.prepared;
  const auto found = std::find_if(kept.begin(), kept.end(), [&](const Prepared& one) { return is_for_now(op, one); });
  if (found != kept.end()) {
    std::rotate(kept.begin(), found, found + 1);
    return kept.front();
  }
  Prepared made = prepare_now(op);
  // Not before: it may share weights with one that goes.
  if (!kept.empty() && !kept.front().host.is_repeatable) kept.erase(kept.begin());
  if (kept.size() == kMostPrepared) kept.pop_back();
  return *kept.insert(kept.begin(), std::move(made));
}

// Memory for an output that is sized in each run: what the last run left where that fits and nobody else holds it.
void Program::size_output(int tensor, const Shape& shape) {
  Value& output = values_[tensor];
  // At least a byte: a null pointer stands for "no value".
  const int64_t size = std::max<int64_t>(1, storage_bytes(graph_.tensors[tensor].dtype, shape.elements()));
  if (output.holder) {
    const int64_t held = static_cast<const Arena*>(output.holder.get())->size();
    if (held == size && output.holder.use_count() == 1) return;
    // It goes first: only one of them counts.
    take(-held);
    output.holder = nullptr;
    place(tensor, nullptr);
  }
  auto block = std::make_shared<Arena>(size);
  take(size);
  place(tensor, block->data());
  output.holder = block;
}

void Program::run_dynamic(Step& step) {
  const OpDef& op = *step.def;
  const Prepared& prepared = prepared_now(step);
  const Preparation::Host& host = prepared.host;
  bool all_published = !op.outputs.empty();
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    const int t = op.outputs[i];
    if (t < 0) continue;
    Value& output = values_[t];
    if (output.home == Home::external && !(output.shape == *host.shapes[i]))
      throw Unsupported(concat("output '", graph_.tensors[t].name, "' has shape ", host.shapes[i]->text(),
                               " now, but the caller's memory is for ", output.shape.text()));
    if (output.home == Home::dynamic) size_output(t, *host.shapes[i]);
    output.shape = *host.shapes[i];
    if (host.is_published[i])
      std::copy(host.published[i].begin(), host.published[i].end(), data_of(t));
    else
      all_published = false;
  }
  if (all_published || is_idle(op, host)) return;
  std::byte* const* first = pointers_.data() + step.pointers;
  place_scratch(host.scratch);
  prepared.compute(Invocation(first, first + op.inputs.size(), loose_scratch_pointers_.data(), *now_));
}

// Scratch memory for one op; the next one takes it over.
void Program::place_scratch(const std::vector<int64_t>& sizes) {
  const auto aligned = [](int64_t size) { return (size + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment; };
  int64_t total = 0;
  for (const int64_t size : sizes) total += aligned(size);
  if (total > loose_scratch_.size()) {
    take(-loose_scratch_.size());
    loose_scratch_ = Arena();
    loose_scratch_ = Arena(total);
    take(total);
  }
  loose_scratch_pointers_.clear();
  std::byte* next = loose_scratch_.data();
  for (const int64_t size : sizes) {
    loose_scratch_pointers_.push_back(next);
    next += aligned(size);
  }
}

}  // namespace subgraft
