// The first half of making a program: every op prepared, constants folded.
#include <algorithm>
#include <cstring>
#include <map>

#include "core/strings.h"
#include "model/densify.h"
#include "model/string_buffer.h"
#include "runtime/body.h"
#include "runtime/packed.h"
#include "runtime/program.h"
#include "runtime/shared_weights.h"

namespace subgraft {
namespace {

// A folded tensor: its elements and the shape they turned out to have.
struct Folded {
  Folded(int64_t size, const Shape& shape) : arena(size), shape(shape) {}
  Arena arena;
  Shape shape;
};

// The strings of a constant and their numbers, which are its elements.
struct Texts {
  std::shared_ptr<const Strings> kept;
  std::vector<int64_t> ids;
};

bool is_aligned(const void* data, size_t alignment) { return reinterpret_cast<uintptr_t>(data) % alignment == 0; }

// Every kind without a kernel and how many ops are of it, so that a user learns of all of them at once. Empty when
// there is just one such op.
std::string all_missing(const ProgramRequest& request, const SubgraphDef& graph, const std::vector<Prepare>& kernels) {
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
  std::vector<Prepare> kernels(opcodes.size(), nullptr);
  for (size_t i = 0; i < opcodes.size(); ++i) kernels[i] = registry.find(opcodes[i].name());
  for (const int op : request_.ops) {
    const OpCode& code = opcodes[graph_.ops.at(op).opcode];
    const Prepare prepare = kernels[graph_.ops[op].opcode];
    if (!prepare)
      throw Unsupported(concat(op_name(op), ": the CPU interpreter has no kernel for this ",
                               code.is_custom() ? "custom op" : "op", all_missing(request_, graph_, kernels)));
    try {
      prepare_op(op, prepare);
    } catch (const ModelError& error) {
      throw ModelError(op_name(op) + ": " + error.what());
    } catch (const Unsupported& error) {
      throw Unsupported(op_name(op) + ": " + error.what());
    } catch (const RunError& error) {  // while folding
      throw ModelError(op_name(op) + ": " + error.what());
    }
  }
}

Shape Program::shape_in_file(int tensor) const {
  const TensorDef& def = graph_.tensors[tensor];
  try {
    return Shape(def.shape);
  } catch (const ModelError& error) {
    throw ModelError(concat("tensor ", tensor, " '", def.name, "': ", error.what()));
  } catch (const Unsupported& error) {
    throw Unsupported(concat("tensor ", tensor, " '", def.name, "': ", error.what()));
  }
}

// A constant gets its bytes, a variable its shape, the first time an op reads it.
void Program::define_constant(int tensor) {
  Value& value = values_[tensor];
  if (value.home != Home::none) return;
  const TensorDef& def = graph_.tensors[tensor];
  if (def.is_variable) {
    value.shape = shape_in_file(tensor);
    storage_bytes(def.dtype, value.shape.elements());  // refuses what has no size or too large a one
    value.known = value.kept = true;
    value.home = Home::variable;
    return;
  }
  if (def.external_buffer != 0)
    throw Unsupported(concat("tensor ", tensor, " '", def.name, "' lies in an external file, which is not supported"));
  const Bytes buffer = request_.model->buffers[def.buffer];
  const Shape shape = shape_in_file(tensor);
  if (buffer.empty() && shape.elements() != 0 && !def.sparsity) return;  // a sparse one may be all zeros
  value.shape = shape;
  const int bits = dtype_bits(def.dtype);
  if (def.sparsity) {
    spell_out(tensor);
    return;
  }
  if (def.dtype == DType::string) {
    number_strings(tensor, buffer);
    return;
  }
  if (bits > 0) {
    const int64_t needed = storage_bytes(def.dtype, value.shape.elements());
    if (static_cast<int64_t>(buffer.size()) < needed)
      throw ModelError(concat("constant tensor ", tensor, " '", def.name, "' of shape ", value.shape.text(), " has ",
                              buffer.size(), " bytes; it needs ", needed));
  }
  value.home = Home::constant;
  value.known = value.kept = value.is_shared_constant = true;
  value.data = const_cast<std::byte*>(buffer.data());
  if (!is_aligned(buffer.data(), std::max(1, std::min(bits / 8, 8)))) {
    value.holder = request_.model->shared->get(request_.subgraph, tensor, "aligned", [&] {
      auto copy = std::make_shared<Folded>(static_cast<int64_t>(buffer.size()), value.shape);
      std::memcpy(copy->arena.data(), buffer.data(), buffer.size());
      return std::shared_ptr<const void>(copy);
    });
    value.data = static_cast<const Folded*>(value.holder.get())->arena.data();
  }
  // Kernels take a null pointer for "not constant".
  static std::byte nothing[kArenaAlignment];
  if (!value.data) value.data = nothing;
}

// The elements of a string constant become numbers, made once for all interpreters of the model.
void Program::number_strings(int tensor, Bytes buffer) {
  Value& value = values_[tensor];
  try {
    value.holder = request_.model->shared->get(request_.subgraph, tensor, "strings", [&] {
      auto texts = std::make_shared<Texts>();
      texts->kept = Strings::keep(read_strings(buffer));
      if (texts->kept->size() != value.shape.elements())
        throw ModelError(concat("its shape is ", value.shape.text(), ", and it has ", texts->kept->size(), " strings"));
      for (int64_t i = 0; i < texts->kept->size(); ++i) texts->ids.push_back(texts->kept->id(i));
      texts->ids.push_back(0);  // never empty: kernels take a null pointer for "not constant"
      return std::shared_ptr<const void>(texts);
    });
  } catch (const ModelError& error) {
    throw ModelError(concat("constant tensor ", tensor, " '", graph_.tensors[tensor].name, "': ", error.what()));
  }
  auto* ids = const_cast<int64_t*>(static_cast<const Texts*>(value.holder.get())->ids.data());
  value.data = reinterpret_cast<std::byte*>(ids);
  value.home = Home::constant;
  value.known = value.kept = value.is_shared_constant = true;
}

// A sparse constant becomes a dense one, made once for all interpreters of the model.
void Program::spell_out(int tensor) {
  const TensorDef& def = graph_.tensors[tensor];
  Value& value = values_[tensor];
  const int bits = dtype_bits(def.dtype);
  if (bits < 8)
    throw Unsupported(concat("constant tensor ", tensor, " '", def.name, "' is sparse with elements of type ",
                             dtype_name(def.dtype)));
  const int64_t size = storage_bytes(def.dtype, value.shape.elements());
  take(size);
  try {
    value.holder = request_.model->shared->get(request_.subgraph, tensor, "dense", [&] {
      auto dense = std::make_shared<Folded>(std::max<int64_t>(1, size), value.shape);
      densify(*def.sparsity, value.shape, static_cast<size_t>(bits / 8), request_.model->buffers[def.buffer],
              dense->arena.data());
      return std::shared_ptr<const void>(dense);
    });
  } catch (const ModelError& error) {
    throw ModelError(concat("sparse constant tensor ", tensor, " '", def.name, "': ", error.what()));
  }
  value.data = static_cast<const Folded*>(value.holder.get())->arena.data();
  value.home = Home::constant;
  value.known = value.kept = value.is_shared_constant = true;
  folded_bytes_ += size;
}

Operand Program::operand(int tensor, bool as_input) const {
  const TensorDef& def = graph_.tensors[tensor];
  const Value& value = values_[tensor];
  Operand operand;
  operand.name = def.name;
  operand.dtype = def.dtype;
  operand.quantization = def.quantization.get();
  operand.sparsity = def.sparsity.get();
  operand.is_variable = def.is_variable;
  if (as_input) {
    operand.shape = value.shape;
    if (value.home == Home::constant) {
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
  host.shapes.resize(op.outputs.size());
  host.published.resize(op.outputs.size());
  host.is_published.resize(op.outputs.size());
  host.resources = request_.resources.get();
  for (const int t : op.intermediates) host.intermediates.push_back(t >= 0 ? operand(t, false) : Operand{});
  host.constant = [this](int32_t tensor) {
    if (tensor < 0 || tensor >= static_cast<int64_t>(graph_.tensors.size()))
      throw ModelError(concat("there is no tensor ", tensor));
    define_constant(tensor);
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
  return host;
}

void Program::prepare_op(int index, Prepare prepare) {
  const OpDef& op = graph_.ops[index];
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
    const bool constant = values_[t].home == Home::constant;
    foldable = foldable && constant;
    if (constant) host.values[i] = values_[t].data;
    inputs.push_back(operand(t, true));
  }
  for (const int t : op.outputs) {
    if (t >= 0 && values_[t].home != Home::none)
      throw ModelError(concat("output tensor ", t, " '", graph_.tensors[t].name, "' already has a value"));
    outputs.push_back(t >= 0 ? operand(t, false) : Operand{});
  }
  std::vector<int32_t> sorted = op.outputs;  // there may be very many
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end(), [](int a, int b) { return a >= 0 && a == b; });
  if (twice != sorted.end()) throw ModelError(concat("output tensor ", *twice, " is listed twice"));

  Step step;
  step.op = index;
  if (shapes_known) {
    try {
      const OpCode& code = request_.model->opcodes[op.opcode];
      const PackedOperands packed(code, inputs, outputs);
      Preparation preparation(op, code, std::move(inputs), std::move(outputs), host);
      step.compute = packed.around(prepare(preparation), host, *request_.pool);
    } catch (const NotYetKnown&) {
      shapes_known = false;
    }
  }
  step.dynamic = !shapes_known;
  bool all_published = !op.outputs.empty();
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    if (op.outputs[i] < 0) continue;
    Value& output = values_[op.outputs[i]];
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
  if (!step.dynamic && ((foldable && !host.has_effects) || all_published)) {
    fold(op, step.compute, host);
    return;
  }
  step.scratch = std::move(host.scratch);
  step.shares = std::move(host.shares);
  steps_.push_back(std::move(step));
  step_ops_.push_back(index);
}

bool Program::is_idle(const OpDef& op, const Preparation::Host& host) const {
  const auto is_variable = [&](int t) { return t >= 0 && graph_.tensors[t].is_variable; };
  if (op.outputs.empty() || std::any_of(op.inputs.begin(), op.inputs.end(), is_variable)) return false;
  return std::all_of(host.shapes.begin(), host.shapes.end(),
                     [](const std::optional<Shape>& shape) { return !shape || shape->elements() == 0; });
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
        std::memcpy(made[i]->arena.data(), host.published[i].data(), host.published[i].size());
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
    auto make = [&]() -> std::shared_ptr<const void> {
      if (made.empty()) compute_all();
      return made[i];
    };
    output.holder = shareable ? request_.model->shared->get(request_.subgraph, t, "folded", make) : make();
    const auto* folded = static_cast<const Folded*>(output.holder.get());
    output.data = folded->arena.data();
    output.shape = folded->shape;
    output.home = Home::constant;
    output.kept = true;
    output.is_shared_constant = shareable;
    folded_bytes_ += folded->arena.size();
  }
}

}  // namespace subgraft
