// The native executor of a plan: CPU programs and native delegates' executables, one call for all of them.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <variant>

#include "bind/bind.h"
#include "bind/bound_program.h"
#include "core/errors.h"
#include "subgraft.h"

namespace py = pybind11;

namespace subgraft {
namespace {

constexpr size_t kReasonSize = 1024;

// An executable and the arrays it reads and writes, all kept alive.
class NativeStep {
 public:
  NativeStep(py::capsule capsule, const std::vector<py::array>& inputs, const std::vector<py::array>& outputs)
      : capsule_(std::move(capsule)), inputs_(inputs), outputs_(outputs) {
    if (capsule_.name() == nullptr || std::string(capsule_.name()) != SUBGRAFT_EXECUTABLE_CAPSULE)
      throw ArgumentError("the capsule is not named " SUBGRAFT_EXECUTABLE_CAPSULE);
    executable_ = capsule_.get_pointer<subgraft_executable>();
    if (executable_->version != SUBGRAFT_EXECUTABLE_VERSION || !executable_->run)
      throw ArgumentError(concat("the executable speaks version ", executable_->version, " of subgraft.h; this build ",
                                 "speaks ", SUBGRAFT_EXECUTABLE_VERSION));
    for (const py::array& array : inputs_) {
      if (!(array.flags() & py::array::c_style)) throw ArgumentError("inputs must be C-contiguous");
      input_pointers_.push_back(array.data());
    }
    for (py::array& array : outputs_) {
      if (!(array.flags() & py::array::c_style)) throw ArgumentError("outputs must be C-contiguous");
      output_pointers_.push_back(array.mutable_data());
    }
  }

  // The reason when it failed. Needs no GIL.
  std::optional<std::string> run() {
    std::array<char, kReasonSize> reason{};
    if (executable_->run(executable_->self, input_pointers_.data(), output_pointers_.data(), reason.data(),
                         reason.size()) == 0)
      return std::nullopt;
    reason.back() = 0;
    return std::string(reason.data());
  }

 private:
  py::capsule capsule_;
  std::vector<py::array> inputs_, outputs_;
  const subgraft_executable* executable_;
  std::vector<const void*> input_pointers_;
  std::vector<void*> output_pointers_;
};

class Schedule {
 public:
  explicit Schedule(const py::sequence& steps) {
    for (const py::handle step : steps) {
      holders_.push_back(py::reinterpret_borrow<py::object>(step));
      if (py::isinstance<NativeStep>(step))
        steps_.emplace_back(step.cast<NativeStep*>());
      else
        steps_.emplace_back(step.cast<BoundProgram*>());
    }
  }

  // Runs the steps from `first` on. None when all ran, else the step that failed and its reason; those before it have
  // their outputs.
  std::optional<std::pair<size_t, std::string>> run(size_t first) {
    py::gil_scoped_release unlocked;  // from here to the brace: no Python objects
    for (size_t i = first; i < steps_.size(); ++i) {
      if (auto** program = std::get_if<BoundProgram*>(&steps_[i])) {
        (*program)->program().run();
      } else if (auto reason = std::get<NativeStep*>(steps_[i])->run()) {
        return std::make_pair(i, std::move(*reason));
      }
    }
    return std::nullopt;
  }

 private:
  std::vector<py::object> holders_;
  std::vector<std::variant<BoundProgram*, NativeStep*>> steps_;
};

// A CPU program behind the C interface: what a native delegate's executable looks like, without a device.
struct ProgramExecutable {
  subgraft_executable table;
  BoundProgram* program;
  py::object holder;
};

int run_program(void* self, const void* const* inputs, void* const* outputs, char* reason, size_t reason_size) {
  Program& program = static_cast<ProgramExecutable*>(self)->program->program();
  try {
    for (size_t i = 0; i < program.inputs().size(); ++i)
      program.bind(program.inputs()[i], static_cast<std::byte*>(const_cast<void*>(inputs[i])));
    for (size_t i = 0; i < program.outputs().size(); ++i)
      program.bind(program.outputs()[i], static_cast<std::byte*>(outputs[i]));
    program.run();
    return 0;
  } catch (const std::runtime_error& error) {
    std::snprintf(reason, reason_size, "%s", error.what());
    return 1;
  }
}

py::capsule capsule_of(py::object program) {
  auto* executable = new ProgramExecutable{
      {SUBGRAFT_EXECUTABLE_VERSION, nullptr, run_program}, program.cast<BoundProgram*>(), std::move(program)};
  executable->table.self = executable;
  return py::capsule(&executable->table, SUBGRAFT_EXECUTABLE_CAPSULE, [](PyObject* capsule) {
    auto* table = static_cast<subgraft_executable*>(PyCapsule_GetPointer(capsule, SUBGRAFT_EXECUTABLE_CAPSULE));
    delete static_cast<ProgramExecutable*>(table->self);
  });
}

}  // namespace

void bind_schedule(py::module_& module) {
  py::class_<NativeStep>(module, "NativeStep", "A native delegate's executable with its arrays.")
      .def(py::init<py::capsule, const std::vector<py::array>&, const std::vector<py::array>&>(), py::arg("capsule"),
           py::arg("inputs"), py::arg("outputs"));
  py::class_<Schedule>(module, "Schedule", "Programs and native steps that run in one call, without the GIL.")
      .def(py::init<const py::sequence&>(), py::arg("steps"))
      .def("run", &Schedule::run, py::arg("first") = 0);
  module.def("executable_capsule", &capsule_of, py::arg("program"),
             "An external program behind the C interface of native executables (subgraft.h).");
}

}  // namespace subgraft
