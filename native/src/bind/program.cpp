// Programs and their memory, as numpy arrays.
#include "runtime/program.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstring>

#include "bind/bind.h"
#include "core/errors.h"

namespace py = pybind11;

namespace subgraft {
namespace {

Shape shape_of(const std::vector<int32_t>& dims) { return Shape(dims); }

// A program with what Python needs beside it: numpy's dtype per tensor, the arrays it is bound to, its live views.
class BoundProgram {
 public:
  explicit BoundProgram(ProgramRequest request) : program_(std::move(request)) {
    for (const TensorDef& tensor : program_.subgraph().tensors)
      if (dtypes_.count(tensor.dtype) == 0) dtypes_.emplace(tensor.dtype, py::dtype(numpy_name(tensor.dtype)));
  }

  Program& program() { return program_; }

  void run() {
    {
      py::gil_scoped_release unlocked;  // from here to the brace: no Python objects
      program_.run();
    }
  }

  void bind(int tensor, const py::array& array) {
    check_tensor(tensor);
    check(tensor, array);
    if (!(array.flags() & py::array::c_style))
      throw ArgumentError(concat("the array bound to tensor ", tensor, " must be C-contiguous"));
    program_.bind(tensor, static_cast<std::byte*>(const_cast<void*>(array.data())));
    bound_[tensor] = array;
  }

  void set(int tensor, const py::array& array) {
    check_tensor(tensor);
    if (program_.is_constant(tensor)) throw ArgumentError(concat("tensor ", describe(tensor), " is a constant"));
    if (!program_.is_readable(tensor))
      throw ArgumentError(concat("tensor ", describe(tensor), " is an intermediate: only inputs can be set"));
    check(tensor, array);
    copy_in(tensor, array);
  }

  py::array get(int tensor) {
    const std::byte* data = readable(tensor);
    py::array array = empty(tensor);
    copy_out(tensor, data, array);
    return array;
  }

  // An array over the tensor's own memory; the memory lives as long as any view of it.
  py::array view(int tensor, py::object self) {
    std::byte* data = const_cast<std::byte*>(readable(tensor));
    if (dtype_bits(type(tensor)) < 8)
      throw ArgumentError(concat("tensor ", describe(tensor), " has packed elements; read a copy instead"));
    ++views_;
    // The capsule keeps self alive and counts: memory must not move under a live view.
    auto* keeper = new Keeper{this, std::move(self)};
    py::capsule base(keeper, [](void* pointer) {
      auto* keeper = static_cast<Keeper*>(pointer);
      --keeper->program->views_;
      delete keeper;
    });
    py::array array(dtypes_.at(type(tensor)), dims(tensor), data, base);
    if (program_.is_constant(tensor)) array.attr("flags").attr("writeable") = false;
    return array;
  }

  // One inference: copies the arrays in, runs, and returns the outputs as new arrays.
  py::list call(const py::sequence& arrays) {
    const auto& inputs = program_.inputs();
    if (arrays.size() != inputs.size())
      throw ArgumentError(concat("expected ", inputs.size(), " inputs, got ", arrays.size()));
    for (size_t i = 0; i < inputs.size(); ++i) {
      const py::object item = arrays[i];
      if (!py::isinstance<py::array>(item)) throw ArgumentError(concat("input ", i, " is not a numpy array"));
      const py::array array = py::reinterpret_borrow<py::array>(item);
      check(inputs[i], array);
      copy_in(inputs[i], array);
    }
    run();
    py::list results;
    for (const int t : program_.outputs()) {
      py::array array = empty(t);
      copy_out(t, program_.data(t), array);
      results.append(std::move(array));
    }
    return results;
  }

  std::vector<int32_t> dims(int tensor) const {
    const Shape shape = program_.shape(tensor);
    return {shape.dims().begin(), shape.dims().end()};
  }

  int views() const { return views_; }

  py::list placements() const {
    py::list list;
    for (const auto& place : program_.placements())
      list.append(py::make_tuple(place.tensor, place.offset, place.size, place.first, place.last));
    return list;
  }

 private:
  struct Keeper {
    BoundProgram* program;
    py::object self;
  };

  DType type(int tensor) const { return program_.subgraph().tensors[tensor].dtype; }
  std::string describe(int tensor) const { return concat(tensor, " '", program_.subgraph().tensors[tensor].name, "'"); }
  void check_tensor(int tensor) const { (void)program_.data(tensor); }  // throws for an index out of range

  void check(int tensor, const py::array& array) const {
    const py::dtype& expected = dtypes_.at(type(tensor));
    if (array.dtype().num() != expected.num() || dtype_bits(type(tensor)) < 8) mismatch(tensor, array, expected);
    const Shape shape = program_.shape(tensor);
    if (array.ndim() != shape.rank())
      throw ArgumentError(concat("Cannot set tensor: Dimension mismatch. Got ", array.ndim(), " but expected ",
                                 shape.rank(), " for input ", tensor, "."));
    for (int i = 0; i < shape.rank(); ++i)
      if (array.shape(i) != shape[i])
        throw ArgumentError(concat("Cannot set tensor: Dimension mismatch. Got ", array.shape(i), " but expected ",
                                   shape[i], " for dimension ", i, " of input ", tensor, "."));
  }

  void mismatch(int tensor, const py::array& array, const py::dtype& expected) const {
    // numpy has several numbers for one type (int and long); equal types may differ in number.
    const bool same = dtype_bits(type(tensor)) >= 8 && array.dtype().equal(expected);
    if (!same)
      throw ArgumentError(concat("Cannot set tensor: Got value of type ", std::string(py::str(array.dtype())),
                                 " but expected type ", dtype_name(type(tensor)), " for input ", tensor,
                                 ", name: ", program_.subgraph().tensors[tensor].name));
  }

  void copy_in(int tensor, const py::array& array) {
    std::byte* data = program_.data(tensor);
    const auto size = static_cast<size_t>(program_.bytes(tensor));
    if (array.flags() & py::array::c_style) {
      std::memcpy(data, array.data(), size);
      return;
    }
    const py::array packed = py::array::ensure(array, py::array::c_style);
    if (!packed) throw py::error_already_set();
    std::memcpy(data, packed.data(), size);
  }

  const std::byte* readable(int tensor) {
    check_tensor(tensor);
    if (!program_.is_readable(tensor))
      throw ArgumentError(concat("tensor ", describe(tensor),
                                 " is an intermediate whose memory is used again during the run; to read it, keep all "
                                 "tensors (experimental_preserve_all_tensors=True)"));
    return program_.data(tensor);
  }

  py::array empty(int tensor) const { return py::array(dtypes_.at(type(tensor)), dims(tensor)); }

  void copy_out(int tensor, const std::byte* data, py::array& array) const {
    const int bits = dtype_bits(type(tensor));
    auto* out = static_cast<std::byte*>(array.mutable_data());
    if (bits >= 8) {
      std::memcpy(out, data, static_cast<size_t>(array.nbytes()));
      return;
    }
    const bool is_signed = type(tensor) != DType::uint4;
    const int per_byte = 8 / bits;
    for (py::ssize_t i = 0; i < array.size(); ++i) {
      const auto raw = static_cast<unsigned>(data[i / per_byte]) >> (i % per_byte * bits) & ((1u << bits) - 1);
      const bool negative = is_signed && (raw >> (bits - 1));
      out[i] = static_cast<std::byte>(negative ? raw - (1u << bits) : raw);
    }
  }

  Program program_;
  std::map<DType, py::dtype> dtypes_;
  std::map<int, py::array> bound_;
  int views_ = 0;
};

std::unique_ptr<BoundProgram> make_program(std::shared_ptr<Model> model, int subgraph,
                                           std::optional<std::vector<int>> ops, std::optional<std::vector<int>> inputs,
                                           std::optional<std::vector<int>> outputs, std::shared_ptr<ThreadPool> pool,
                                           bool external, bool keep_all,
                                           const std::map<int, std::vector<int32_t>>& shapes) {
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
  request.external = external;
  request.keep_all = keep_all;
  for (const auto& [tensor, dims] : shapes) request.shapes.emplace(tensor, shape_of(dims));
  std::unique_ptr<BoundProgram> program;
  program = std::make_unique<BoundProgram>(std::move(request));
  return program;
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
  py::class_<ThreadPool, std::shared_ptr<ThreadPool>>(module, "ThreadPool", "Threads for the kernels of one session.")
      .def(py::init([](int threads) {
             if (threads < 1 || threads > 1024) throw ArgumentError("threads must be 1 to 1024");
             return std::make_shared<ThreadPool>(threads);
           }),
           py::arg("threads"))
      .def_property_readonly("size", &ThreadPool::size);

  py::class_<BoundProgram>(module, "Program", "A segment compiled for the CPU.")
      .def(py::init(&make_program), py::arg("model"), py::arg("subgraph") = 0, py::arg("ops") = py::none(),
           py::arg("inputs") = py::none(), py::arg("outputs") = py::none(), py::kw_only(), py::arg("pool"),
           py::arg("external") = false, py::arg("keep_all") = false,
           py::arg("shapes") = std::map<int, std::vector<int32_t>>())
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
      .def("reset_variables", [](BoundProgram& p) { p.program().reset_variables(); })
      .def(
          "profile", [](BoundProgram& p, bool on) { p.program().profile(on); }, py::arg("on"))
      .def_property_readonly("seconds", [](BoundProgram& p) { return p.program().seconds(); })
      .def_property_readonly("profiled_runs", [](BoundProgram& p) { return p.program().profiled_runs(); })
      .def_property_readonly("steps", [](BoundProgram& p) { return p.program().steps(); })
      .def_property_readonly("inputs", [](BoundProgram& p) { return p.program().inputs(); })
      .def_property_readonly("outputs", [](BoundProgram& p) { return p.program().outputs(); })
      .def_property_readonly("live_views", &BoundProgram::views)
      .def_property_readonly("placements", &BoundProgram::placements)
      .def_property_readonly("arena_bytes", [](BoundProgram& p) { return p.program().arena_bytes(); })
      .def_property_readonly("scratch_bytes", [](BoundProgram& p) { return p.program().scratch_bytes(); })
      .def_property_readonly("folded_bytes", [](BoundProgram& p) { return p.program().folded_bytes(); });

  module.def("plan_arena", &plan_blocks, py::arg("sizes"), py::arg("first"), py::arg("last"),
             "Offsets for blocks of `sizes` bytes that live from step `first` to `last`, and the bytes needed in all.");
  module.def("kernel_names", [] { return Registry::builtin().names(); }, "The ops that the CPU interpreter can run.");
}

}  // namespace subgraft
