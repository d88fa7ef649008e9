// The first half of making a program: every op prepared, constants folded.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>

#include "model/mapped_pages.h"
#include "runtime/body.h"
#include "runtime/folded.h"
#include "runtime/packed.h"
#include "runtime/program.h"
#include "runtime/shared_weights.h"

namespace subgraft {
namespace {

// Every kind without a kernel and how many ops are of it, so that a user learns of all of them at once. Empty when
// there is just one such op.
std::string all_missing(const ProgramRequest& request, const SubgraphDef& graph, const std::vector<Kernel>& kernels) {
  std::map<std::string, int> counts;
  int ops = 0;
  for (const int op : request.ops) {
    const auto opcode = graph.ops.at(op).opcode;
    if (kernels[opcode]) continue;
    ++counts[request.model->opcodes[opcode].name()];
    ++ops;
  }
  if (ops < 2) return "";
  std::string text;
  for (const auto& [kind, count] : counts)
    text += concat(text.empty() ? "; missing in all: " : ", ", kind, " (", count, ")");
  return text;
}

}  // namespace

void Program::admit_inputs() {
  for (const int t : request_.inputs) {
    Value& input = values_.at(t);
    const auto given = request_.shapes.find(t);
    try {
      input.shape = given != request_.shapes.end() ? given->second : Shape(graph_.tensors[t].shape);
      storage_bytes(graph_.tensors[t].dtype, input.shape.elements());
    } catch (const ModelError& error) {
      throw ModelError(concat("input tensor ", t, " '", graph_.tensors[t].name, "': ", error.what()));
    } catch (const Unsupported& error) {
      throw Unsupported(concat("input tensor ", t, " '", graph_.tensors[t].name, "': ", error.what()));
    }
    input.known = true;
    input.kept = true;
    input.home = request_.external ? Home::external : Home::arena;
    if (graph_.tensors[t].is_variable) input.home = Home::variable;
  }
}

void Program::prepare_ops() {
  const Registry& registry = Registry::builtin();
  const auto& opcodes = request_.model->opcodes;
  std::vector<Kernel> kernels(opcodes.size());
  for (size_t i = 0; i < opcodes.size(); ++i) kernels[i] = registry.find(opcodes[i].name());
  steps_.reserve(request_.ops.size());
  plan_->wishes.reserve(request_.ops.size());  // steps point into it
  step_ops_.reserve(request_.ops.size());
  count_readers();
  for (const int op : request_.ops) {
    if (is_taken_over_[op]) continue;
    const OpCode& code = opcodes[graph_.ops.at(op).opcode];
    const Kernel& kernel = kernels[graph_.ops[op].opcode];
    const bool runs_graphs = !kernel && is_control(code.name());
    if (!kernel && !runs_graphs)
      throw Unsupported(concat(op_name(op), ": the CPU interpreter has no kernel for this ",
                               code.is_custom() ? "custom op" : "op", all_missing(request_, graph_, kernels)));
    try {
      if (runs_graphs)
        prepare_control(op, code.name());
      else
        prepare_op(op, kernel);
    } catch (const ModelError& error) {
      throw ModelError(op_name(op) + ": " + error.what());
    } catch (const Unsupported& error) {
      throw Unsupported(op_name(op) + ": " + error.what());
    } catch (const RunError& error) {  // while folding
      throw ModelError(op_name(op) + ": " + error.what());
    }
  }
}

Operand Program::operand(int tensor, bool as_input) const {
  const TensorDef& def = graph_.tensors[tensor];
  const Value& value = values_[tensor];
  Operand operand;
  operand.name = def.name;
  operand.dtype = def.dtype;
  operand.quantization = def.quantization.get();
  operand.is_variable = def.is_variable;
  if (as_input) {
    operand.shape = value.shape;
    if (value.home == Home::constant && value.data) {
      operand.constant = value.data;
      operand.constant_bytes = dtype_bits(def.dtype) == 0
                                   ? static_cast<int64_t>(request_.model->buffers[def.buffer].size())
                                   : storage_bytes(def.dtype, value.shape.elements());
    }
  } else {
    // A hint only: what the file says of an output may be wrong, or of a rank we do not hold.
    const bool fits = def.shape.size() <= Shape::kMaxRank &&
                      std::all_of(def.shape.begin(), def.shape.end(), [](int32_t dim) { return dim >= 0; });
    if (fits) operand.shape = Shape(def.shape);
  }
  return operand;
}

Preparation::Host Program::host_of(const OpDef& op) {
  Preparation::Host host;
  host.values.resize(op.inputs.size());
  host.asked.resize(op.inputs.size());
  host.shapes.resize(op.outputs.size());
  host.published.resize(op.outputs.size());
  host.is_published.resize(op.outputs.size());
  host.published_sparse.resize(op.outputs.size());
  host.sparse.resize(op.inputs.size());
  host.keeps_sparse.resize(op.inputs.size());
  host.threads = request_.pool->size();
  host.resources = request_.resources.get();
  for (const int t : op.intermediates) host.intermediates.push_back(t >= 0 ? operand(t, false) : Operand{});
  host.constant = [this](int32_t tensor) {
    if (tensor < 0 || tensor >= static_cast<int64_t>(graph_.tensors.size()))
      throw ModelError(concat("there is no tensor ", tensor));
    define_constant(tensor);
    spell_out(tensor);
    if (values_[tensor].home != Home::constant)
      throw ModelError(concat("tensor ", tensor, " '", graph_.tensors[tensor].name, "' must be a constant"));
    return operand(tensor, true);
  };
  host.body = [this](int64_t subgraph) { return body_of(*request_.model, subgraph); };
  host.shared = [this, &op](int input, std::string_view kind,
                            const std::function<std::shared_ptr<const void>()>& make) {
    const int tensor = op.inputs[input];
    if (!values_[tensor].is_shared_constant) return make();
    return request_.model->shared->get(request_.subgraph, tensor, kind, make);
  };
  host.spell_out = [this, &op](int input) -> const std::byte* {
    spell_out(op.inputs[input]);
    return values_[op.inputs[input]].data;
  };
  return host;
}

void Program::offer_sparse(size_t input, int tensor, const Kernel& kernel, Preparation::Host& host) {
  if (static_cast<int>(input) == kernel.sparse_input)
    host.sparse[input] = values_[tensor].sparse;
  else
    spell_out(tensor);
}

// The zero PAD whose output an op reads, where it only adds rows and columns to images. What the PAD takes must look to
// the op as its output did: of one type and scale.
std::optional<Unpadded> Program::unpadded(int tensor, int& inside) {
  if (tensor < 0 || values_[tensor].home != Home::arena || values_[tensor].maker < 0) return std::nullopt;
  const Step& step = steps_[static_cast<size_t>(values_[tensor].maker)];
  const OpDef& pad = *step.def;
  const std::string kind = request_.model->opcodes[pad.opcode].name();
  if (step.dynamic || kind != "PAD" || pad.inputs.size() != 2 || values_[pad.inputs[1]].home != Home::constant)
    return std::nullopt;
  const Value &amounts = values_[pad.inputs[1]], &source = values_[pad.inputs[0]];
  if (source.shape.rank() != 4 || source.home == Home::variable) return std::nullopt;
  const TensorDef &before = graph_.tensors[pad.inputs[0]], &after = graph_.tensors[tensor];
  const auto scale_of = [](const TensorDef& def) {
    return def.quantization ? std::pair(def.quantization->scale, def.quantization->zero_point)
                            : std::pair<std::vector<float>, std::vector<int64_t>>();
  };
  if (before.dtype != after.dtype || scale_of(before) != scale_of(after)) return std::nullopt;
  int64_t amount[8];
  const bool wide = graph_.tensors[pad.inputs[1]].dtype == DType::int64;
  for (size_t i = 0; i < std::size(amount); ++i) {
    int32_t narrow = 0;
    if (wide)
      std::memcpy(&amount[i], amounts.data + i * sizeof(int64_t), sizeof(int64_t));
    else
      std::memcpy(&narrow, amounts.data + i * sizeof(int32_t), sizeof(int32_t));
    if (!wide) amount[i] = narrow;
  }
  if (amount[0] != 0 || amount[1] != 0 || amount[6] != 0 || amount[7] != 0) return std::nullopt;
  inside = pad.inputs[0];
  return Unpadded{operand(inside, true), {amount[2], amount[3], amount[4], amount[5]}};
}

// Constants that no closure reads any more: what was folded is freed, and pages of the file go.
void Program::let_go(const OpDef& op, const Preparation::Host& host) {
  for (const int i : host.released) {
    const int t = op.inputs[static_cast<size_t>(i)];
    Value& value = values_[t];
    if (value.home != Home::constant || --readers_[t] > 0) continue;
    if (!value.is_folded && !value.holder && !value.sparse)
      let_go_of_pages(
          {value.data, static_cast<size_t>(storage_bytes(graph_.tensors[t].dtype, value.shape.elements()))});
    if (!value.is_folded || value.sparse || request_.keep_all) continue;
    plan_->folded_bytes -= static_cast<const Folded*>(value.holder.get())->arena.size();
    value.holder = nullptr;
    value.data = nullptr;
    value.home = Home::none;
  }
}

void Program::spell_out_unless_kept(const OpDef& op, const Preparation::Host& host) {
  for (size_t i = 0; i < op.inputs.size(); ++i)
    if (host.sparse[i] && !host.keeps_sparse[i]) spell_out(op.inputs[i]);
}

void Program::check_outputs(const OpDef& op) const {
  for (const int t : op.outputs)
    if (t >= 0 && values_[t].home != Home::none)
      throw ModelError(concat("output tensor ", t, " '", graph_.tensors[t].name, "' already has a value"));
  std::vector<int32_t> sorted = op.outputs;  // there may be very many
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end(), [](int a, int b) { return a >= 0 && a == b; });
  if (twice != sorted.end()) throw ModelError(concat("output tensor ", *twice, " is listed twice"));
}

void Program::prepare_op(int index, Kernel kernel) {
  const OpDef* const replacing = as_set_row(graph_.ops[index]);
  if (replacing) kernel = {set_row()};
  const OpDef& op = replacing ? *replacing : graph_.ops[index];
  Preparation::Host host = host_of(op);
  std::vector<Operand> inputs, outputs;
  bool shapes_known = true, foldable = !op.inputs.empty();
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const int t = op.inputs[i];
    if (t < 0) {
      inputs.emplace_back();
      continue;
    }
    define_constant(t);
    if (values_[t].home == Home::none)
      throw ModelError(
          concat("input ", i, " is tensor ", t, " '", graph_.tensors[t].name, "', which nothing before it produces"));
    shapes_known = shapes_known && values_[t].known;
    offer_sparse(i, t, kernel, host);
    const bool constant = values_[t].home == Home::constant;
    foldable = foldable && constant;
    if (constant) host.values[i] = values_[t].data;
    inputs.push_back(operand(t, true));
  }
  check_outputs(op);
  for (const int t : op.outputs) outputs.push_back(t >= 0 ? operand(t, false) : Operand{});

  Changes changes;
  if (!request_.keep_all)
    host.absorb_border = [&](int i) {
      int inside = -1;
      auto unpadded = this->unpadded(op.inputs[static_cast<size_t>(i)], inside);
      if (unpadded) changes.inputs[static_cast<size_t>(i)] = inside;
      return unpadded;
    };
  if (!foldable) offer_followers(op, changes, host);
  Step step;
  step.op = index;
  step.def = &op;
  if (shapes_known) {
    try {
      const OpCode& code = request_.model->opcodes[op.opcode];
      const PackedOperands packed(code, inputs, outputs);
      Preparation preparation(op, code, std::move(inputs), std::move(outputs), host);
      step.compute = packed.around(kernel.prepare(preparation), host, *request_.pool);
      spell_out_unless_kept(op, host);
      step.is_pure = !packed.any() && !host.has_effects && host.is_repeatable;
    } catch (const NotYetKnown&) {
      shapes_known = false;
    }
  }
  host.absorb_border = nullptr;
  host.follower = nullptr;
  host.take_over_follower = nullptr;
  step.dynamic = !shapes_known;
  if (!step.dynamic) step.def = &changed(op, changes);
  const std::vector<int32_t>& made = step.def->outputs;
  bool all_published = !op.outputs.empty();
  for (size_t i = 0; i < made.size(); ++i) {
    if (made[i] < 0) continue;
    Value& output = values_[made[i]];
    if (step.dynamic) {
      output.home = Home::dynamic;
      all_published = false;
      continue;
    }
    if (!host.shapes[i]) throw ModelError(concat("the kernel left output ", i, " without a shape"));
    output.shape = *host.shapes[i];
    output.known = true;
    output.home = Home::arena;
    all_published = all_published && host.is_published[i];
  }
  if (!step.dynamic && is_idle(op, host)) step.compute = [](const Invocation&) {};
  if (host.has_effects || !host.is_repeatable) plan_->is_shareable = false;
  if (!step.dynamic && ((foldable && !host.has_effects) || all_published)) {
    fold(op, step.compute, host);
    return;
  }
  if (!step.dynamic) let_go(op, host);
  if (!step.is_pure) plan_->is_shareable = false;
  // A closure may point into the memory of constants.
  const std::vector<int32_t>& read = step.def->inputs;
  step.is_pure = step.is_pure && std::none_of(read.begin(), read.end(), [&](int t) {
                   return t >= 0 && values_[t].home == Home::constant && !values_[t].is_shared_constant;
                 });
  step.wishes = &plan_->wishes.emplace_back();
  step.wishes->has_effects = host.has_effects;
  step.wishes->scratch = std::move(host.scratch);
  step.wishes->shares = std::move(host.shares);
  step.wishes->views = std::move(host.views);
  step.wishes->parts = std::move(host.parts);
  for (const int t : made)
    if (t >= 0) values_[t].maker = static_cast<int>(steps_.size());
  steps_.push_back(std::move(step));
  step_ops_.push_back(index);
}

bool Program::is_idle(const OpDef& op, const Preparation::Host& host) const {
  const auto is_variable = [&](int t) { return t >= 0 && graph_.tensors[t].is_variable; };
  if (op.outputs.empty() || std::any_of(op.inputs.begin(), op.inputs.end(), is_variable)) return false;
  return std::all_of(host.shapes.begin(), host.shapes.end(),
                     [](const std::optional<Shape>& shape) { return !shape || shape->elements() == 0; });
}

void Program::compute_into(const OpDef& op, const Compute& compute, const Preparation::Host& host,
                           std::span<std::byte* const> results) const {
  std::vector<std::byte*> inputs, scratch;
  for (const int t : op.inputs) inputs.push_back(t >= 0 ? values_[t].data : nullptr);
  std::vector<Arena> blocks;
  for (const int64_t size : host.scratch) scratch.push_back(blocks.emplace_back(size).data());
  compute(Invocation(inputs.data(), results.data(), scratch.data(), *request_.pool));
}

// Computes the op now: its outputs are constants from here on.
void Program::fold(const OpDef& op, const Compute& compute, const Preparation::Host& host) {
  const bool shareable = !host.has_effects && std::all_of(op.inputs.begin(), op.inputs.end(), [&](int t) {
    return t < 0 || values_[t].is_shared_constant;
  });
  std::vector<std::shared_ptr<Folded>> made;
  auto compute_all = [&] {
    std::vector<std::byte*> results;
    bool all_published = true;
    for (size_t i = 0; i < op.outputs.size(); ++i) {
      const int t = op.outputs[i];
      const Shape shape = t >= 0 ? *host.shapes[i] : Shape();
      const int64_t size = t >= 0 ? storage_bytes(graph_.tensors[t].dtype, shape.elements()) : 0;
      take(size);
      made.push_back(std::make_shared<Folded>(std::max<int64_t>(1, size), shape));
      if (host.is_published[i])
        std::copy(host.published[i].begin(), host.published[i].end(), made[i]->arena.data());
      else
        all_published = false;
      results.push_back(made[i]->arena.data());
    }
    if (!all_published) compute_into(op, compute, host, results);
  };
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    const int t = op.outputs[i];
    if (t < 0) continue;
    Value& output = values_[t];
    output.home = Home::constant;
    output.kept = true;
    output.is_shared_constant = shareable;
    output.is_folded = true;
    if (host.published_sparse[i]) {
      output.sparse = host.published_sparse[i];
      if (request_.keep_all) spell_out(t);
      continue;
    }
    auto make = [&]() -> std::shared_ptr<const void> {
      if (made.empty()) compute_all();
      return made[i];
    };
    output.holder = shareable ? request_.model->shared->get(request_.subgraph, t, "folded", make) : make();
    const auto* folded = static_cast<const Folded*>(output.holder.get());
    output.data = folded->arena.data();
    output.shape = folded->shape;
    plan_->folded_bytes += folded->arena.size();
  }
}

}  // namespace subgraft
