// Ops that run other graphs, made into programs within the program.
#include <algorithm>
#include <numeric>

#include "runtime/program.h"

namespace subgraft {
namespace {

constexpr size_t kDeepest = 32;  // bodies within bodies

// The options that say which graphs an op runs, by its name.
std::vector<int64_t> graphs_of(std::string_view kind, const Options& options) {
  std::vector<int64_t> graphs;
  const auto add = [&](std::string_view name) { graphs.push_back(options.integer(name, -1)); };
  if (kind == "WHILE") {
    add("cond_subgraph_index");
    add("body_subgraph_index");
  } else if (kind == "IF") {
    add("then_subgraph_index");
    add("else_subgraph_index");
  } else if (kind == "CALL") {
    add("subgraph");
  } else if (kind == "CALL_ONCE") {
    add("init_subgraph_index");
  } else if (kind == "STABLEHLO_COMPOSITE") {
    add("decomposition_subgraph_index");
  } else {
    const auto branches = options.integers("branch_subgraph_indices");
    graphs.assign(branches.begin(), branches.end());
  }
  return graphs;
}

std::string_view table_of(std::string_view kind) {
  if (kind == "WHILE") return "WhileOptions";
  if (kind == "IF") return "IfOptions";
  if (kind == "CALL") return "CallOptions";
  if (kind == "CALL_ONCE") return "CallOnceOptions";
  return kind == "STABLEHLO_COMPOSITE" ? "StableHLOCompositeOptions" : "StablehloCaseOptions";
}

// Within the time of making a body's program, its graph counts as entered.
class Entered {
 public:
  Entered(Bodies& bodies, int graph) : bodies_(bodies) { bodies_.within.push_back(graph); }
  ~Entered() { bodies_.within.pop_back(); }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;

 private:
  Bodies& bodies_;
};

}  // namespace

std::shared_ptr<Program> Program::program_of_body(int64_t graph, std::vector<Shape> inputs) {
  const Model& model = *request_.model;
  Bodies& bodies = *request_.bodies;
  if (graph < 0 || graph >= static_cast<int64_t>(model.subgraphs.size())) throw Unsupported("a body is not there");
  const auto index = static_cast<int>(graph);
  if (std::count(bodies.within.begin(), bodies.within.end(), index) > 0 || bodies.within.size() > kDeepest)
    throw Unsupported("a graph that runs itself, or too many bodies within bodies");
  const SubgraphDef& def = model.subgraphs[static_cast<size_t>(graph)];
  if (def.inputs.size() != inputs.size()) throw Unsupported("a body takes another number of inputs");
  ProgramRequest request;
  std::vector<std::vector<int32_t>> dims;
  for (size_t i = 0; i < inputs.size(); ++i) {
    dims.emplace_back(inputs[i].dims().begin(), inputs[i].dims().end());
    request.shapes.emplace(def.inputs[i], inputs[i]);
  }
  const std::pair key(index, std::move(dims));
  if (auto made = bodies.made[key].lock()) return made;
  request.model = request_.model;
  request.subgraph = index;
  request.ops.resize(def.ops.size());
  std::iota(request.ops.begin(), request.ops.end(), 0);
  request.inputs = def.inputs;
  for (const int t : def.outputs) {
    const auto holds = [t](const std::vector<int>& tensors) {
      return std::find(tensors.begin(), tensors.end(), t) != tensors.end();
    };
    if (!holds(def.inputs) && !holds(request.outputs)) request.outputs.push_back(t);
  }
  request.pool = request_.pool;
  request.resources = request_.resources;
  request.external = true;
  request.is_body = true;
  request.limits = request_.limits;
  request.bodies = request_.bodies;
  const Entered entered(bodies, index);
  auto made = std::make_shared<Program>(std::move(request));
  bodies.made[key] = made;
  return made;
}

// Throws Unsupported for whatever does not suit: the session runs such an op graph by graph, and says what is wrong.
void Program::prepare_control(int index, std::string_view kind) {
  const OpDef& op = graph_.ops[static_cast<size_t>(index)];
  check_outputs(op);
  if (!op.options.table() || op.options.table()->name != table_of(kind))
    throw Unsupported("it does not say what it runs");
  if (!request_.bodies) request_.bodies = std::make_shared<Bodies>();
  const Entered entered(*request_.bodies, request_.subgraph);
  Control::Operands taken, given;
  std::vector<Shape> shapes;
  for (const int t : op.inputs) {
    if (t < 0) throw Unsupported("an input is absent");
    define_constant(t);
    const Value& value = values_[static_cast<size_t>(t)];
    if (value.home == Home::none || !value.known) throw Unsupported("an input's shape is known only while running");
    spell_out(t);
    taken.emplace_back(graph_.tensors[static_cast<size_t>(t)].dtype, value.shape);
    shapes.push_back(value.shape);
  }
  for (const int t : op.outputs) {
    if (t < 0) throw Unsupported("an output is absent");
    given.emplace_back(graph_.tensors[static_cast<size_t>(t)].dtype, Shape());
  }
  if ((kind == "IF" || kind == "STABLEHLO_CASE") && !shapes.empty()) shapes.erase(shapes.begin());
  std::shared_ptr<Control> control;
  try {
    std::vector<Body> bodies;
    for (const int64_t graph : graphs_of(kind, op.options)) bodies.emplace_back(program_of_body(graph, shapes));
    control = std::make_shared<Control>(kind, std::move(bodies), taken, given, *request_.resources, request_.limits);
  } catch (const ModelError& error) {
    throw Unsupported(error.what());
  }
  Step step;
  step.op = index;
  step.def = &op;
  step.wishes = &plan_->wishes.emplace_back();
  step.wishes->has_effects = true;
  step.wishes->sees_views = true;
  for (const auto& [output, input] : control->unchanged()) step.wishes->views.push_back({output, input, 0});
  step.wishes->shares = control->changed();
  step.wishes->scratch = control->scratch();
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    Value& output = values_[static_cast<size_t>(op.outputs[i])];
    output.shape = control->output_shape(i);
    output.known = true;
    output.home = Home::arena;
    output.maker = static_cast<int>(steps_.size());
  }
  step.compute = [control](const Invocation& v) { control->run(v); };
  step.control = std::move(control);
  plan_->is_shareable = false;
  steps_.push_back(std::move(step));
  step_ops_.push_back(index);
}

bool Program::claim(const void* user) {
  const bool is_new = user_ != user;
  user_ = user;
  return is_new;
}

bool Program::may_overwrite(int output, int input) const {
  const Value &to = value(output), &from = value(input);
  if (to.home != Home::external || from.home != Home::external || to.storage == from.storage || to.maker < 0)
    return false;
  const Storage &target = storages_[static_cast<size_t>(to.storage)],
                &source = storages_[static_cast<size_t>(from.storage)];
  const Step& step = steps_[static_cast<size_t>(to.maker)];
  if (step.dynamic || target.block.first != to.maker || !source.holds_input || bytes(output) != bytes(input))
    return false;
  const auto lies_there = [&](int t) { return t >= 0 && values_[static_cast<size_t>(t)].storage == from.storage; };
  bool shares = false;
  for (const auto& [out, in] : step.wishes->shares) {
    const int t = step.def->inputs[static_cast<size_t>(in)];
    shares |= step.def->outputs[static_cast<size_t>(out)] == output && lies_there(t) &&
              values_[static_cast<size_t>(t)].offset == 0;
  }
  const auto& taken = step.def->inputs;
  if (!shares || std::count_if(taken.begin(), taken.end(), lies_there) != 1) return false;
  for (size_t s = static_cast<size_t>(to.maker) + 1; s < steps_.size(); ++s) {
    const auto& later = steps_[s].def->inputs;
    if (std::any_of(later.begin(), later.end(), lies_there)) return false;
  }
  return true;
}

}  // namespace subgraft
