// Scripts and engines of Edge TPUs as Python sees them.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bind/bind.h"
#include "bind/usb.h"
#include "core/errors.h"
#include "edgetpu/engine.h"

namespace py = pybind11;

namespace subgraft {
namespace {

using edgetpu::Engine;
using edgetpu::EngineOptions;
using edgetpu::Script;
using edgetpu::ScriptRequest;
using edgetpu::Source;
using edgetpu::Step;

// Held for the life of the process.
PyObject* edgetpu_error = nullptr;

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const edgetpu::Error& error) {
    try {
      const py::object instance = py::reinterpret_borrow<py::object>(edgetpu_error)(error.what());
      instance.attr("kind") = edgetpu::name_of(error.kind);
      PyErr_SetObject(edgetpu_error, instance.ptr());
    } catch (py::error_already_set& worse) {
      worse.restore();
    }
  }
}

// ---- scripts

edgetpu::Flip flip_of(int element_bytes) {
  if (element_bytes < 0 || element_bytes > 2)
    throw ArgumentError(concat("the sign of elements of ", element_bytes, " bytes cannot be flipped: 0, 1 or 2"));
  return static_cast<edgetpu::Flip>(element_bytes);
}

Source source_of(const std::string& name) {
  for (const Source source : {Source::instructions, Source::input, Source::parameters, Source::scratch, Source::output})
    if (name == edgetpu::name_of(source)) return source;
  throw ArgumentError(concat("\"", name, "\" is nothing that is sent or received"));
}

// ("send", tag, source, index, offset, size) | ("receive", source, index, offset, size) | ("interrupt", n) | ("fence",)
Step step_of(const py::tuple& given) {
  const auto kind = given.empty() ? std::string() : given[0].cast<std::string>();
  if (kind == "send" && given.size() == 6) {
    const auto tag = given[1].cast<int>();
    if (tag < 0 || tag > static_cast<int>(edgetpu::Tag::parameters))
      throw ArgumentError(concat("nothing is sent with the tag ", tag));
    return {Step::Kind::send,
            static_cast<edgetpu::Tag>(tag),
            source_of(given[2].cast<std::string>()),
            given[3].cast<std::size_t>(),
            given[4].cast<std::size_t>(),
            given[5].cast<std::size_t>()};
  }
  if (kind == "receive" && given.size() == 5)
    return {Step::Kind::receive,          edgetpu::Tag::output,         source_of(given[1].cast<std::string>()),
            given[2].cast<std::size_t>(), given[3].cast<std::size_t>(), given[4].cast<std::size_t>()};
  if (kind == "interrupt" && given.size() == 2)
    return {.kind = Step::Kind::interrupt, .index = given[1].cast<std::size_t>()};
  if (kind == "fence" && given.size() == 1) return {.kind = Step::Kind::fence};
  throw ArgumentError(concat("a step \"", kind, "\" of ", given.size(), " fields"));
}

std::vector<std::byte> copy_of(const py::handle& buffer) {
  const ByteView view(buffer);
  return {view.data(), view.data() + view.size()};
}

using Runs = py::array_t<std::int64_t, py::array::c_style>;
using InputFields = std::tuple<std::size_t, std::size_t, int>;         // tensor bytes, padded bytes, flip
using OutputFields = std::tuple<std::size_t, std::size_t, int, Runs>;  // and [n, 5]

std::vector<edgetpu::Run> runs_of(const Runs& given) {
  if (given.ndim() != 2 || given.shape(1) != 5) throw ArgumentError("runs are an int64 array [n, 5]");
  std::vector<edgetpu::Run> runs;
  runs.reserve(static_cast<std::size_t>(given.shape(0)));
  const std::int64_t* row = given.data();
  for (py::ssize_t i = 0; i < given.shape(0); ++i, row += 5) runs.push_back({row[0], row[1], row[2], row[3], row[4]});
  return runs;
}

std::shared_ptr<Script> make_script(const std::vector<py::tuple>& steps, const std::vector<py::object>& instructions,
                                    const py::object& parameters, const std::vector<InputFields>& inputs,
                                    const std::vector<OutputFields>& outputs, std::size_t scratch_bytes) {
  ScriptRequest request;
  for (const py::tuple& step : steps) request.steps.push_back(step_of(step));
  for (const py::object& chunk : instructions) request.instructions.push_back(copy_of(chunk));
  request.parameters = copy_of(parameters);
  for (const auto& [tensor, padded, flip] : inputs) request.inputs.push_back({tensor, padded, flip_of(flip)});
  for (const auto& [tensor, padded, flip, runs] : outputs)
    request.outputs.push_back({tensor, padded, flip_of(flip), runs_of(runs)});
  request.scratch_bytes = scratch_bytes;
  return std::make_shared<Script>(std::move(request));
}

// ---- engines

// The arrays of one request, which stay alive as long as this.
struct Tensors {
  std::vector<py::array> arrays;
  std::vector<const std::byte*> inputs;
  std::vector<std::byte*> outputs;
  std::size_t runs = 0;  // 0: no tensor has told yet
};

py::array checked(const py::handle& item, const char* noun, std::size_t index, std::size_t tensor_bytes, Tensors& to) {
  if (!py::isinstance<py::array>(item)) throw ArgumentError(concat(noun, " ", index, " is not a numpy array"));
  auto array = py::reinterpret_borrow<py::array>(item);
  if (!(array.flags() & py::array::c_style)) throw ArgumentError(concat(noun, " ", index, " must be C-contiguous"));
  const auto size = static_cast<std::size_t>(array.nbytes());
  const std::size_t runs = size / tensor_bytes;
  if (to.runs == 0) to.runs = runs;
  if (size == 0 || runs * tensor_bytes != size || runs != to.runs)
    throw ArgumentError(concat(noun, " ", index, " has ", size, " bytes; one run moves ", tensor_bytes,
                               " of it, and all inputs and outputs must be of as many runs"));
  return array;
}

Tensors tensors_of(const Script& script, const py::sequence& inputs, const py::sequence& outputs) {
  const auto ins = script.inputs();
  const auto outs = script.outputs();
  if (inputs.size() != ins.size() || outputs.size() != outs.size())
    throw ArgumentError(concat("expected ", ins.size(), " inputs and ", outs.size(), " outputs, got ", inputs.size(),
                               " and ", outputs.size()));
  Tensors tensors;
  for (std::size_t i = 0; i < ins.size(); ++i) {
    tensors.arrays.push_back(checked(inputs[i], "input", i, ins[i].tensor_bytes, tensors));
    tensors.inputs.push_back(static_cast<const std::byte*>(tensors.arrays.back().data()));
  }
  for (std::size_t i = 0; i < outs.size(); ++i) {
    py::array array = checked(outputs[i], "output", i, outs[i].tensor_bytes, tensors);
    if (!array.writeable()) throw ArgumentError(concat("output ", i, " must be writeable"));
    tensors.outputs.push_back(static_cast<std::byte*>(array.mutable_data()));
    tensors.arrays.push_back(std::move(array));
  }
  if (tensors.runs == 0) tensors.runs = 1;
  return tensors;
}

// Letting go of the last reference waits for what is pending, without the GIL. A forked child has no part in it.
void retire(std::shared_ptr<Engine> engine, const usb::Device& device) {
  if (!device.is_of_this_process()) {
    new std::shared_ptr<Engine>(std::move(engine));
    return;
  }
  if (!Py_IsInitialized() || !PyGILState_Check()) {
    engine.reset();
    return;
  }
  const Unlocked unlocked;  // from here to the brace: no Python objects
  engine.reset();
}

// An engine with the arrays of the requests that were not waited for.
class BoundEngine {
 public:
  BoundEngine(std::shared_ptr<usb::Device> device, std::size_t max_bulk_out_bytes, int bulk_outs,
              std::size_t read_chunk_bytes, std::size_t max_posted_bytes, bool header_apart, double drain_timeout_s)
      : device_(std::move(device)) {
    EngineOptions options{.max_bulk_out_bytes = max_bulk_out_bytes,
                          .bulk_outs = bulk_outs,
                          .read_chunk_bytes = read_chunk_bytes,
                          .max_posted_bytes = max_posted_bytes,
                          .header_apart = header_apart};
    options.drain_timeout = std::chrono::duration_cast<std::chrono::milliseconds>(seconds(drain_timeout_s));
    engine_ = Engine::open(device_, options);
  }
  ~BoundEngine() { retire(std::move(engine_), *device_); }
  BoundEngine(const BoundEngine&) = delete;
  BoundEngine& operator=(const BoundEngine&) = delete;

  void run(std::shared_ptr<Script> script, const py::sequence& inputs, const py::sequence& outputs, double timeout_s) {
    refuse_in_child();
    const auto until = usb::Clock::now() + seconds(timeout_s);
    const Tensors tensors = tensors_of(*script, inputs, outputs);
    const Unlocked unlocked;  // from here to the brace: no Python objects
    engine_->run(script, tensors.inputs, tensors.outputs, tensors.runs, until);
  }

  Engine::Ticket submit(std::shared_ptr<Script> script, const py::sequence& inputs, const py::sequence& outputs) {
    refuse_in_child();
    Tensors tensors = tensors_of(*script, inputs, outputs);
    Engine::Ticket ticket = 0;
    {
      const Unlocked unlocked;  // from here to the brace: no Python objects
      ticket = engine_->submit(script, tensors.inputs, tensors.outputs, tensors.runs);
    }
    kept_.emplace(ticket, std::move(tensors));
    return ticket;
  }

  void wait(Engine::Ticket ticket, double timeout_s) {
    refuse_in_child();
    const auto until = usb::Clock::now() + seconds(timeout_s);
    const auto kept = kept_.find(ticket);
    if (kept == kept_.end()) throw ArgumentError(concat("there is no ticket ", ticket, ", or it was waited for"));
    const Tensors tensors = std::move(kept->second);  // however it ends, it ends here
    kept_.erase(kept);
    const Unlocked unlocked;  // from here to the brace: no Python objects
    engine_->wait(ticket, until);
  }

  bool drain() {
    refuse_in_child();
    const Unlocked unlocked;  // from here to the brace: no Python objects
    return engine_->drain();
  }

  bool needs_recovery() const { return engine_->needs_recovery(); }
  std::uint32_t interrupts() const { return engine_->interrupts(); }

 private:
  void refuse_in_child() const {
    if (!device_->is_of_this_process())
      throw ArgumentError("this engine was made before the process forked; the child must open the device anew");
  }

  const std::shared_ptr<usb::Device> device_;
  std::shared_ptr<Engine> engine_;
  std::map<Engine::Ticket, Tensors> kept_;
};

void bind_script(py::module_& module) {
  py::class_<Script, std::shared_ptr<Script>>(module, "EdgeTpuScript",
                                              "What one run sends and receives, in order; for any device.")
      .def(py::init(&make_script), py::arg("steps"), py::kw_only(), py::arg("instructions"), py::arg("parameters"),
           py::arg("inputs"), py::arg("outputs"), py::arg("scratch_bytes") = 0,
           "steps: (\"send\", tag, source, index, offset, size), (\"receive\", source, index, offset, size), "
           "(\"interrupt\", n), (\"fence\",).\ninputs: (tensor bytes, padded bytes, bytes per element whose sign is "
           "flipped or 0). outputs: the same and their runs, int64 [n, 5].");
}

}  // namespace

void bind_edgetpu(py::module_& module) {
  py::dict attributes;
  attributes["kind"] = "";
  edgetpu_error = PyErr_NewExceptionWithDoc("subgraft._native.EdgeTpuError",
                                            "How a request to an Edge TPU ended badly: `kind` is \"fatal\", "
                                            "\"bytes\", \"event\" or \"timeout\".",
                                            PyExc_RuntimeError, attributes.ptr());
  if (edgetpu_error == nullptr) throw py::error_already_set();
  module.attr("EdgeTpuError") = py::handle(edgetpu_error);
  py::register_exception_translator(translate);
  bind_script(module);

  const EngineOptions defaults;
  py::class_<BoundEngine>(module, "EdgeTpuEngine", "Runs scripts on one device; for any number of threads.")
      .def(py::init<std::shared_ptr<usb::Device>, std::size_t, int, std::size_t, std::size_t, bool, double>(),
           py::arg("device"), py::kw_only(), py::arg("max_bulk_out_bytes") = defaults.max_bulk_out_bytes,
           py::arg("bulk_outs") = defaults.bulk_outs, py::arg("read_chunk_bytes") = defaults.read_chunk_bytes,
           py::arg("max_posted_bytes") = defaults.max_posted_bytes, py::arg("header_apart") = defaults.header_apart,
           py::arg("drain_timeout_s") = std::chrono::duration<double>(defaults.drain_timeout).count())
      .def("run", &BoundEngine::run, py::arg("script"), py::arg("inputs"), py::arg("outputs"), py::arg("timeout_s"),
           "One request. Raises UsbError, EdgeTpuError.")
      .def("submit", &BoundEngine::submit, py::arg("script"), py::arg("inputs"), py::arg("outputs"),
           "Starts one request, and returns its ticket; the arrays stay untouched until it was waited for.")
      .def("wait", &BoundEngine::wait, py::arg("ticket"), py::arg("timeout_s"),
           "Returns when the outputs are written. Raises UsbError, EdgeTpuError. Time that is up while the request is "
           "in flight is a failure; before that the request is withdrawn.")
      .def("drain", &BoundEngine::drain, "Cancels what is pending, in bounded time; whether all of it ended.")
      .def_property_readonly("needs_recovery", &BoundEngine::needs_recovery,
                             "Something failed: every call raises it again, and the device has to be opened anew.")
      .def_property_readonly("interrupts", &BoundEngine::interrupts,
                             "Bits 1 to 4: the top-level interrupts seen so far.");
}

}  // namespace subgraft
