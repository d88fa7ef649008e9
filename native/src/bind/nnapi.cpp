// Android's Neural Networks API as Python sees it: a library, models, and what runs them.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bind/bind.h"
#include "bind/byte_view.h"
#include "bind/unlocked.h"
#include "core/errors.h"
#include "nnapi/runner.h"

namespace py = pybind11;

namespace subgraft {
namespace {

using nnapi::Library;
using nnapi::Model;
using nnapi::Port;
using nnapi::Runner;

// Held for the life of the process.
PyObject* nnapi_error = nullptr;

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const nnapi::LoadError& error) {
    PyErr_SetString(PyExc_OSError, error.what());
  } catch (const nnapi::Error& error) {
    try {
      const py::object instance = py::reinterpret_borrow<py::object>(nnapi_error)(error.what());
      instance.attr("code") = error.code;
      instance.attr("call") = error.call;
      PyErr_SetObject(nnapi_error, instance.ptr());
    } catch (py::error_already_set& worse) {
      worse.restore();
    }
  }
}

// Letting go of the last reference may wait for the driver, so it lets go of the GIL.
template <typename Kind>
std::shared_ptr<Kind> share(std::shared_ptr<Kind> made) {
  Kind* const raw = made.get();
  return std::shared_ptr<Kind>(raw, [made = std::move(made)](Kind*) mutable {
    if (!Py_IsInitialized() || !PyGILState_Check()) {
      made.reset();
      return;
    }
    const Unlocked unlocked;  // from here to the brace: no Python objects
    made.reset();
  });
}

// A view of Python's bytes that native code keeps; the last owner may be any thread.
std::shared_ptr<const ByteView> kept_view(const py::buffer& bytes) {
  return {new ByteView(bytes), [](const ByteView* view) {
            if (!Py_IsInitialized()) return;  // nothing takes it back any more
            const py::gil_scoped_acquire locked;
            delete view;
          }};
}

// One of the library's devices.
struct Found {
  std::uint32_t index;
  std::string name, version;
  std::int32_t type;
  std::int64_t feature_level;
};

nnapi::abi::Device* device_at(const Library& library, std::uint32_t index) {
  return nnapi::make<nnapi::abi::Device>(library.device, index);
}

std::vector<Found> devices(const Library& library) {
  std::uint32_t count = 0;
  nnapi::call(library.device_count, &count);
  std::vector<Found> found;
  for (std::uint32_t i = 0; i < count; ++i) {
    const nnapi::abi::Device* const device = device_at(library, i);
    const char *name = nullptr, *version = nullptr;
    Found one{i, "", "", 0, 0};
    nnapi::call(library.device_name, device, &name);
    nnapi::call(library.device_version, device, &version);
    nnapi::call(library.device_type, device, &one.type);
    nnapi::call(library.device_feature_level, device, &one.feature_level);
    if (name == nullptr || version == nullptr) nnapi::throw_no_answer(library.device_name.name());
    one.name = name;
    one.version = version;
    found.push_back(std::move(one));
  }
  return found;
}

std::optional<nnapi::abi::Device*> chosen(const Library& library, std::optional<std::uint32_t> index) {
  if (!index) return std::nullopt;
  return device_at(library, *index);
}

Port port_of(const py::handle& given) {
  const auto [dimensions, element_bytes, flips_sign] =
      given.cast<std::tuple<std::vector<std::uint32_t>, std::size_t, bool>>();
  return {dimensions, element_bytes, flips_sign};
}

std::vector<Port> ports_of(const py::sequence& given) {
  std::vector<Port> ports;
  for (const py::handle port : given) ports.push_back(port_of(port));
  return ports;
}

std::uint64_t nanoseconds(double seconds) {
  if (!(seconds >= 0 && seconds < 1e9)) throw ArgumentError(concat("a time of ", seconds, " s"));
  return static_cast<std::uint64_t>(seconds * 1e9);
}

// A runner with the sizes of its arrays.
class BoundRunner {
 public:
  BoundRunner(const std::shared_ptr<Model>& model, std::optional<std::uint32_t> device, const py::sequence& inputs,
              const py::sequence& outputs, std::optional<std::int32_t> preference, std::optional<int> priority,
              double compile_timeout_s, const std::string& cache_folder, const std::string& token, double timeout_s,
              double loop_timeout_s, bool bursts, bool reuses)
      : inputs_(ports_of(inputs)), outputs_(ports_of(outputs)) {
    nnapi::CompileOptions compile{preference, priority, nanoseconds(compile_timeout_s), cache_folder, {}};
    if (!cache_folder.empty() && token.size() != compile.token.size())
      throw ArgumentError(concat("a cache token has ", compile.token.size(), " bytes, not ", token.size()));
    std::copy_n(token.begin(), std::min(token.size(), compile.token.size()), compile.token.begin());
    const nnapi::RunOptions run{nanoseconds(timeout_s), nanoseconds(loop_timeout_s), bursts, reuses};
    std::shared_ptr<Runner> made;
    {
      const Unlocked unlocked;  // from here to the brace: no Python objects
      made = std::make_shared<Runner>(model, chosen(*model->library(), device).value_or(nullptr), std::move(compile),
                                      run, inputs_, outputs_);
    }
    runner_ = share(std::move(made));
  }

  void run(const py::sequence& inputs, const py::sequence& outputs) const {
    const std::vector<py::array> in = arrays(inputs, inputs_, "input", false);
    const std::vector<py::array> out = arrays(outputs, outputs_, "output", true);
    std::vector<const void*> from;
    std::vector<void*> to;
    for (const py::array& array : in) from.push_back(array.data());
    for (const py::array& array : out) to.push_back(const_cast<void*>(array.data()));
    const Unlocked unlocked;  // from here to the brace: no Python objects
    runner_->run(from.data(), to.data());
  }

  void measure(bool wanted) const { runner_->measure(wanted); }
  const Runner& runner() const { return *runner_; }

 private:
  static std::vector<py::array> arrays(const py::sequence& given, const std::vector<Port>& ports, const char* noun,
                                       bool is_output) {
    if (given.size() != ports.size())
      throw ArgumentError(concat("expected ", ports.size(), " ", noun, "s, got ", given.size()));
    std::vector<py::array> found;
    for (std::size_t i = 0; i < ports.size(); ++i) {
      const py::object item = given[i];
      if (!py::isinstance<py::array>(item)) throw ArgumentError(concat(noun, " ", i, " is not a numpy array"));
      auto array = py::reinterpret_borrow<py::array>(item);
      if (!(array.flags() & py::array::c_style)) throw ArgumentError(concat(noun, " ", i, " must be C-contiguous"));
      if (static_cast<std::size_t>(array.nbytes()) != ports[i].bytes())
        throw ArgumentError(concat(noun, " ", i, " has ", array.nbytes(), " bytes instead of ", ports[i].bytes()));
      if (is_output && !array.writeable()) throw ArgumentError(concat(noun, " ", i, " must be writeable"));
      found.push_back(std::move(array));
    }
    return found;
  }

  const std::vector<Port> inputs_, outputs_;
  std::shared_ptr<Runner> runner_;
};

template <typename T>
std::string c_name() {
  if constexpr (std::is_pointer_v<T>)
    return "pointer";
  else if constexpr (std::is_void_v<T>)
    return "void";
  else if constexpr (std::is_same_v<T, bool>)
    return "bool";
  else if constexpr (std::is_floating_point_v<T>)
    return sizeof(T) == 4 ? "float" : "double";
  else if constexpr (std::is_same_v<T, std::size_t> && !std::is_same_v<std::size_t, std::uint64_t>)
    return "size_t";
  else
    return concat(std::is_signed_v<T> ? "int" : "uint", 8 * sizeof(T));
}

template <typename Result, typename... Parameters>
std::string signature(const nnapi::Function<Result(Parameters...)>&) {
  std::string text;
  ((text += concat(text.empty() ? "" : ", ", c_name<Parameters>())), ...);
  return concat(c_name<Result>(), "(", text, ")");
}

std::map<std::string, std::string> signatures() {
  const Library none;
  std::map<std::string, std::string> found;
  nnapi::visit_functions(none, [&](const auto& function) { found[function.name()] = signature(function); });
  return found;
}

template <typename Operand, typename Channels>
std::map<std::string, std::size_t> layout() {
  return {{"OperandType", sizeof(Operand)},
          {"OperandType.type", offsetof(Operand, type)},
          {"OperandType.dimensionCount", offsetof(Operand, dimension_count)},
          {"OperandType.dimensions", offsetof(Operand, dimensions)},
          {"OperandType.scale", offsetof(Operand, scale)},
          {"OperandType.zeroPoint", offsetof(Operand, zero_point)},
          {"SymmPerChannelQuantParams", sizeof(Channels)},
          {"SymmPerChannelQuantParams.channelDim", offsetof(Channels, channel_dim)},
          {"SymmPerChannelQuantParams.scaleCount", offsetof(Channels, scale_count)},
          {"SymmPerChannelQuantParams.scales", offsetof(Channels, scales)}};
}

void bind_library(py::module_& module) {
  py::dict attributes;
  for (const char* name : {"code", "call"}) attributes[name] = "";
  nnapi_error = PyErr_NewExceptionWithDoc("subgraft._native.NnapiError",
                                          "What an NNAPI call ended with: `code` names it (\"BAD_DATA\"; "
                                          "MISSING_SYMBOL, NO_ANSWER, WRONG_SHAPE, FORKED and BUSY are our own), "
                                          "`call` the function.",
                                          PyExc_RuntimeError, attributes.ptr());
  if (nnapi_error == nullptr) throw py::error_already_set();
  module.attr("NnapiError") = py::handle(nnapi_error);
  py::register_exception_translator(translate);

  py::class_<Found>(module, "NnapiDevice", "A device of an NNAPI library.")
      .def_readonly("index", &Found::index)
      .def_readonly("name", &Found::name)
      .def_readonly("version", &Found::version)
      .def_readonly("type", &Found::type, "DeviceTypeCode: 2 is a CPU, 3 a GPU, 4 an accelerator.")
      .def_readonly("feature_level", &Found::feature_level);

  py::class_<Library, std::shared_ptr<Library>>(module, "NnapiLibrary", "libneuralnetworks.so, or one like it.")
      .def(py::init([](const std::string& path, const std::vector<std::string>& hidden) {
             const py::gil_scoped_release unlocked;  // from here to the brace: no Python objects
             return nnapi::load(path, hidden);
           }),
           py::arg("path"), py::arg("hidden") = py::tuple(),
           "hidden: functions treated as absent. OSError: it cannot be loaded, or is no such library.")
      .def_readonly("path", &Library::path)
      .def_readonly("kind", &Library::kind, "\"neuralnetworks\" or \"support library\".")
      .def_readonly("feature_level", &Library::feature_level, "27 to 31, then 1000006 and up.")
      .def_readonly("missing", &Library::missing, "Functions that are absent; calling one raises MISSING_SYMBOL.")
      .def(
          "devices",
          [](const Library& self) {
            const Unlocked unlocked;  // from here to the brace: no Python objects
            return devices(self);
          },
          "All of them, the library's own CPU among them. Since feature level 29.");
}

void bind_nnapi_model(py::module_& module) {
  using Indices = std::vector<std::uint32_t>;
  py::class_<Model, std::shared_ptr<Model>>(module, "NnapiModel", "A model that grows operand by operand.")
      .def(py::init([](const std::shared_ptr<Library>& library) { return share(std::make_shared<Model>(library)); }),
           py::arg("library"))
      .def(
          "add_operand",
          [](Model& self, std::int32_t type, const Indices& shape, float scale, std::int32_t zero_point) {
            return self.add_operand(type, shape, scale, zero_point);
          },
          py::arg("type"), py::arg("shape") = py::tuple(), py::arg("scale") = 0.0F, py::arg("zero_point") = 0,
          "type: an OperandCode. The number of the operand: they count from 0.")
      .def(
          "set_channel_scales",
          [](Model& self, std::uint32_t operand, std::uint32_t axis, const std::vector<float>& scales) {
            self.set_channel_scales(operand, axis, scales);
          },
          py::arg("operand"), py::arg("axis"), py::arg("scales"))
      .def(
          "set_value",
          [](Model& self, std::uint32_t operand, const py::buffer& value) {
            const auto view = kept_view(value);
            self.set_value(operand, view->data(), view->size(), view);
          },
          py::arg("operand"), py::arg("value"), "value: its bytes, which stay as they are for as long as the model.")
      .def(
          "set_model",
          [](Model& self, std::uint32_t operand, const std::shared_ptr<Model>& model) {
            self.set_model(operand, model);
          },
          py::arg("operand"), py::arg("model"), "model: a finished one, that an IF or a WHILE runs. Since level 30.")
      .def("set_absent", &Model::set_absent, py::arg("operand"))
      .def(
          "add_operation",
          [](Model& self, std::int32_t code, const Indices& inputs, const Indices& outputs) {
            self.add_operation(code, inputs, outputs);
          },
          py::arg("code"), py::arg("inputs"), py::arg("outputs"))
      .def(
          "identify",
          [](Model& self, const Indices& inputs, const Indices& outputs) { self.identify(inputs, outputs); },
          py::arg("inputs"), py::arg("outputs"))
      .def("relax", &Model::relax, py::arg("allow"), "Whether float32 may be computed in float16. Since level 28.")
      .def("finish",
           [](Model& self) {
             const Unlocked unlocked;  // from here to the brace: no Python objects
             self.finish();
           })
      .def(
          "supported",
          [](const Model& self, std::uint32_t device) {
            const Unlocked unlocked;  // from here to the brace: no Python objects
            nnapi::abi::Device* const one = device_at(*self.library(), device);
            return self.supported(std::span(&one, 1));
          },
          py::arg("device"), "For each operation whether the device takes it. Since feature level 29.");
}

}  // namespace

void bind_nnapi(py::module_& module) {
  bind_library(module);
  bind_nnapi_model(module);
  module.def("nnapi_signatures", &signatures, "The functions by name: \"int32(pointer, int32, pointer, uint64)\".");
  module.def(
      "nnapi_layout",
      [](int pointer_bits) {
        if (pointer_bits == 32)
          return layout<nnapi::abi::OperandTypeOf<std::uint32_t>, nnapi::abi::ChannelScalesOf<std::uint32_t>>();
        if (pointer_bits == 64)
          return layout<nnapi::abi::OperandTypeOf<std::uint64_t>, nnapi::abi::ChannelScalesOf<std::uint64_t>>();
        if (pointer_bits == 0) return layout<nnapi::abi::OperandType, nnapi::abi::ChannelScales>();
        throw ArgumentError(concat("pointers of ", pointer_bits, " bits"));
      },
      py::arg("pointer_bits") = 0, "Sizes and offsets of the structs; 0: as this build has them.");

  py::class_<BoundRunner>(module, "NnapiRunner", "A model compiled for a device, for one thread at a time.")
      .def(py::init<const std::shared_ptr<Model>&, std::optional<std::uint32_t>, const py::sequence&,
                    const py::sequence&, std::optional<std::int32_t>, std::optional<int>, double, const std::string&,
                    const std::string&, double, double, bool, bool>(),
           py::arg("model"), py::arg("device"), py::arg("inputs"), py::arg("outputs"), py::kw_only(),
           py::arg("preference") = py::none(), py::arg("priority") = py::none(), py::arg("compile_timeout_s") = 0.0,
           py::arg("cache_folder") = py::bytes(), py::arg("token") = py::bytes(), py::arg("timeout_s") = 0.0,
           py::arg("loop_timeout_s") = 0.0, py::arg("bursts") = false,
           py::arg("reuses") = true,
           "device: an index; None where the library chooses (feature levels 27 and 28). inputs, outputs: (shape, "
           "bytes of an element, int8 that is uint8 in the model) of each. A time of 0: "
           "none is set. What a feature level lacks is left out.")
      .def("run", &BoundRunner::run, py::arg("inputs"), py::arg("outputs"),
           "Computes once. A transient failure is tried again, a driver that died gets the model once more; NnapiError "
           "for what is left.")
      .def(
          "measure", [](BoundRunner& self, bool wanted) { self.measure(wanted); }, py::arg("wanted"),
          "Whether the device is asked for its own times, from the next run on.")
      .def_property_readonly(
          "durations",
          [](const BoundRunner& self) {
            const auto seconds = [](std::uint64_t ns) -> std::optional<double> {
              if (ns == nnapi::abi::kUnknownDuration) return std::nullopt;
              return static_cast<double>(ns) * 1e-9;
            };
            const nnapi::Durations d = self.runner().durations();
            return std::pair(seconds(d.on_hardware), seconds(d.in_driver));
          },
          "Seconds of the latest run on the hardware and in the driver, as the device says; None where it does not.")
      .def_property_readonly(
          "counts",
          [](const BoundRunner& self) {
            const nnapi::Counts c = self.runner().counts();
            return std::map<std::string, std::uint64_t>{
                {"runs", c.runs}, {"retries", c.retries}, {"recompilations", c.recompilations}};
          })
      .def_property_readonly(
          "recoveries",
          [](const BoundRunner& self) {
            const nnapi::Counts c = self.runner().counts();
            return c.retries + c.recompilations;
          },
          "Second attempts and recompilations so far.")
      .def_property_readonly("shares_memory", [](const BoundRunner& self) { return self.runner().shares_memory(); });
}

}  // namespace subgraft
