// Programs and their memory, as numpy arrays.
#include <pybind11/stl.h>

#include <optional>

#include "bind/bind.h"
#include "bind/bound_program.h"
#include "core/available_cpus.h"
#include "core/errors.h"

namespace py = pybind11;

namespace subgraft {
namespace {

std::unique_ptr<BoundProgram> make_program(std::shared_ptr<Model> model, int subgraph,
                                           std::optional<std::vector<int>> ops, std::optional<std::vector<int>> inputs,
                                           std::optional<std::vector<int>> outputs, std::shared_ptr<ThreadPool> pool,
                                           std::shared_ptr<Resources> resources, bool external, bool keep_all,
                                           const std::map<int, std::vector<int32_t>>& shapes,
                                           std::optional<int64_t> max_loop_steps) {
  if (subgraph < 0 || subgraph >= static_cast<int>(model->subgraphs.size()))
    throw ArgumentError(
        concat("subgraph ", subgraph, " is outside 0 to ", static_cast<int>(model->subgraphs.size()) - 1));
  const SubgraphDef& graph = model->subgraphs[subgraph];
  ProgramRequest request;
  request.model = std::move(model);
  request.subgraph = subgraph;
  if (ops) {
    request.ops = std::move(*ops);
  } else {
    request.ops.resize(graph.ops.size());
    for (size_t i = 0; i < request.ops.size(); ++i) request.ops[i] = static_cast<int>(i);
  }
  request.inputs = inputs ? std::move(*inputs) : graph.inputs;
  request.outputs = outputs ? std::move(*outputs) : graph.outputs;
  for (const int op : request.ops)
    if (op < 0 || op >= static_cast<int>(graph.ops.size())) throw ArgumentError(concat("no op ", op, " here"));
  for (const auto* tensors : {&request.inputs, &request.outputs})
    for (const int t : *tensors)
      if (t < 0 || t >= static_cast<int>(graph.tensors.size())) throw ArgumentError(concat("no tensor ", t, " here"));
  request.pool = std::move(pool);
  request.resources = std::move(resources);
  request.external = external;
  request.keep_all = keep_all;
  request.limits = {max_loop_steps, [] {
                      const py::gil_scoped_acquire locked;
                      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
                    }};
  for (const auto& [tensor, dims] : shapes) request.shapes.emplace(tensor, Shape(dims));
  return std::make_unique<BoundProgram>(std::move(request));
}

// The op codes of a model that no kernel answers to, as (name, version, is custom).
py::list missing_kernels(const std::shared_ptr<Model>& model) {
  py::list missing;
  for (const OpCode& code : model->opcodes)
    if (!Registry::builtin().find(code.name()))
      missing.append(py::make_tuple(code.name(), code.version, code.is_custom()));
  return missing;
}

py::tuple plan_blocks(const std::vector<int64_t>& sizes, const std::vector<int>& first, const std::vector<int>& last) {
  if (sizes.size() != first.size() || sizes.size() != last.size())
    throw ArgumentError("sizes, first and last must have one length");
  std::vector<ArenaBlock> blocks;
  for (size_t i = 0; i < sizes.size(); ++i) blocks.push_back({sizes[i], first[i], last[i], 0});
  const int64_t total = plan_arena(blocks);
  py::list offsets;
  for (const ArenaBlock& block : blocks) offsets.append(block.offset);
  return py::make_tuple(offsets, total);
}

}  // namespace

void bind_program(py::module_& module) {
  py::detail::npy_api::get();  // finds numpy's functions now, not while the first model is loaded
  py::class_<ThreadPool, std::shared_ptr<ThreadPool>>(module, "ThreadPool", "Threads for the kernels of one session.")
      .def(py::init([](int threads) {
             if (threads < 1 || threads > 1024) throw ArgumentError("threads must be 1 to 1024");
             return std::make_shared<ThreadPool>(threads);
           }),
           py::arg("threads"))
      .def_property_readonly("size", &ThreadPool::size);

  py::class_<Resources, std::shared_ptr<Resources>>(module, "Resources", "State that ops of one session share by name.")
      .def(py::init<>())
      .def("has_run", &Resources::has_run, py::arg("graph"))
      .def("set_run", &Resources::set_run, py::arg("graph"))
      .def("reset", &Resources::reset);

  py::class_<BoundProgram>(module, "Program", "A segment compiled for the CPU.")
      .def(py::init(&make_program), py::arg("model").none(false), py::arg("subgraph") = 0, py::arg("ops") = py::none(),
           py::arg("inputs") = py::none(), py::arg("outputs") = py::none(), py::kw_only(), py::arg("pool").none(false),
           py::arg("resources") = py::none(), py::arg("external") = false, py::arg("keep_all") = false,
           py::arg("shapes") = std::map<int, std::vector<int32_t>>(), py::arg("max_loop_steps") = py::none())
      .def("run", &BoundProgram::run)
      .def("bind", &BoundProgram::bind, py::arg("tensor"), py::arg("array"))
      .def("set", &BoundProgram::set, py::arg("tensor"), py::arg("array"))
      .def("get", &BoundProgram::get, py::arg("tensor"))
      .def(
          "view", [](py::object self, int tensor) { return self.cast<BoundProgram&>().view(tensor, self); },
          py::arg("tensor"))
      .def("call", &BoundProgram::call, py::arg("arrays"))
      .def("shape", [](const BoundProgram& p, int tensor) { return py::tuple(py::cast(p.dims(tensor))); })
      .def("is_constant", [](BoundProgram& p, int tensor) { return p.program().is_constant(tensor); })
      .def("is_dynamic", [](BoundProgram& p, int tensor) { return p.program().is_dynamic(tensor); })
      .def("is_readable", [](BoundProgram& p, int tensor) { return p.program().is_readable(tensor); })
      .def("reset_variables", &BoundProgram::reset_variables)
      .def("profile", &BoundProgram::profile, py::arg("on"))
      .def_property_readonly("seconds", [](BoundProgram& p) { return p.program().seconds(); })
      .def_property_readonly("profiled_runs", [](BoundProgram& p) { return p.program().profiled_runs(); })
      .def_property_readonly("steps", [](BoundProgram& p) { return p.program().steps(); })
      .def_property_readonly("inputs", [](BoundProgram& p) { return p.program().inputs(); })
      .def_property_readonly("outputs", [](BoundProgram& p) { return p.program().outputs(); })
      .def_property_readonly("live_views", &BoundProgram::views)
      .def_property_readonly("placements", &BoundProgram::placements)
      .def_property_readonly("arena_bytes", [](BoundProgram& p) { return p.program().arena_bytes(); })
      .def_property_readonly("live_bytes", [](BoundProgram& p) { return p.program().live_bytes(); })
      .def_property_readonly("scratch_bytes", [](BoundProgram& p) { return p.program().scratch_bytes(); })
      .def_property_readonly("folded_bytes", [](BoundProgram& p) { return p.program().folded_bytes(); });

  module.def("plan_arena", &plan_blocks, py::arg("sizes"), py::arg("first"), py::arg("last"),
             "Offsets for blocks of `sizes` bytes that live from step `first` to `last`, and the bytes needed in all.");
  module.def("available_cpus", &available_cpus, py::arg("root") = "",
             "CPUs that this process may use: its affinity, less where control groups give it less time. `root`: a "
             "folder to look for /proc and /sys in.");
  module.def("missing_kernels", &missing_kernels, py::arg("model").none(false),
             "The op codes of a model that no kernel answers to, as (name, version, is custom).");
  module.def("kernel_names", [] { return Registry::builtin().names(); }, "The ops that the CPU interpreter can run.");
}

}  // namespace subgraft
