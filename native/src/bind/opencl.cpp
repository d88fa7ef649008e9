// OpenCL as Python sees it: contexts shared with whoever made them, programs, buffers, recorded lists.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bind/bind.h"
#include "bind/byte_view.h"
#include "bind/unlocked.h"
#include "core/errors.h"
#include "opencl/commands.h"
#include "subgraft.h"

namespace py = pybind11;

namespace subgraft {
namespace {

using opencl::Argument;
using opencl::Buffer;
using opencl::Commands;
using opencl::Context;
using opencl::Library;
using opencl::Program;
using opencl::Transfer;

// Held for the life of the process.
PyObject* cl_error = nullptr;

py::str text_of(const std::string& bytes) {
  PyObject* text = PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "backslashreplace");
  if (text == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(text);
}

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const opencl::LoadError& error) {
    PyErr_SetString(PyExc_OSError, error.what());
  } catch (const opencl::Error& error) {
    try {
      const py::object instance = py::reinterpret_borrow<py::object>(cl_error)(text_of(error.what()));
      instance.attr("code") = error.code;
      instance.attr("call") = error.call;
      instance.attr("log") = text_of(error.log);
      PyErr_SetObject(cl_error, instance.ptr());
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

std::shared_ptr<Context> share_context(std::shared_ptr<Library> library, std::uintptr_t context,
                                       std::uintptr_t device) {
  std::shared_ptr<Context> made;
  {
    const Unlocked unlocked;  // from here to the brace: no Python objects
    made = Context::share(std::move(library), reinterpret_cast<opencl::abi::context*>(context),
                          reinterpret_cast<opencl::abi::device*>(device));
  }
  return share(std::move(made));
}

std::shared_ptr<Program> build(const std::shared_ptr<Context>& context, const std::string& source,
                               const std::string& options) {
  std::shared_ptr<Program> made;
  {
    const Unlocked unlocked;  // from here to the brace: no Python objects
    made = Program::build(context, source, options);
  }
  return share(std::move(made));
}

std::shared_ptr<Program> load(const std::shared_ptr<Context>& context, const py::buffer& binary,
                              const std::string& options) {
  std::vector<std::byte> bytes;
  {
    const ByteView view(binary);
    bytes.assign(view.data(), view.data() + view.size());
  }
  std::shared_ptr<Program> made;
  {
    const Unlocked unlocked;  // from here to the brace: no Python objects
    made = Program::load(context, bytes, options);
  }
  return share(std::move(made));
}

std::shared_ptr<Buffer> make_buffer(const std::shared_ptr<Context>& context, std::size_t size, bool host_visible) {
  std::shared_ptr<Buffer> made;
  {
    const Unlocked unlocked;  // from here to the brace: no Python objects
    made = Buffer::make(context, size, host_visible);
  }
  return share(std::move(made));
}

void write(Buffer& self, const py::buffer& array, std::size_t offset) {
  const ByteView view(array);
  const Unlocked unlocked;  // from here to the brace: no Python objects
  self.write(view.data(), view.size(), offset);
}

void read(Buffer& self, const py::buffer& array, std::size_t offset) {
  const ByteView view(array, PyBUF_WRITABLE);
  const Unlocked unlocked;  // from here to the brace: no Python objects
  self.read(view.mutable_data(), view.size(), offset);
}

Argument argument_of(const py::handle& given, std::size_t index) {
  if (py::isinstance<Buffer>(given)) return given.cast<std::shared_ptr<Buffer>>();
  if (PyIndex_Check(given.ptr())) {
    const auto integer = py::reinterpret_steal<py::object>(PyNumber_Index(given.ptr()));
    if (!integer) throw py::error_already_set();
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(integer.ptr(), &overflow);
    if (overflow != 0 || value < std::numeric_limits<std::int32_t>::min() ||
        value > std::numeric_limits<std::int32_t>::max())
      throw ArgumentError(concat("argument ", index, " does not fit into 32 bits: ", std::string(py::str(integer))));
    return static_cast<std::int32_t>(value);
  }
  const PyNumberMethods* const methods = Py_TYPE(given.ptr())->tp_as_number;  // none for text, which float() parses
  if (methods == nullptr || methods->nb_float == nullptr)
    throw ArgumentError(concat("argument ", index, " is neither a ClBuffer nor a number"));
  const auto number = py::reinterpret_steal<py::object>(PyNumber_Float(given.ptr()));
  if (!number) throw py::error_already_set();
  return static_cast<float>(PyFloat_AS_DOUBLE(number.ptr()));
}

// A list with room for the arrays of a run, so that a run needs no memory of its own.
class BoundCommands {
 public:
  BoundCommands(std::shared_ptr<Context> context, std::size_t flush_every)
      : commands_(share(std::make_shared<Commands>(std::move(context), flush_every))) {}

  void launch(const std::shared_ptr<Program>& program, std::string kernel, const py::sequence& arguments,
              std::vector<std::size_t> global_size, std::optional<std::vector<std::size_t>> local_size) {
    opencl::LaunchRequest request{.program = program,
                                  .kernel = std::move(kernel),
                                  .arguments = {},
                                  .global_size = std::move(global_size),
                                  .local_size = std::move(local_size).value_or(std::vector<std::size_t>{})};
    for (std::size_t i = 0; i < arguments.size(); ++i) request.arguments.push_back(argument_of(arguments[i], i));
    const Unlocked unlocked;  // from here to the brace: no Python objects
    commands_->launch(request);
  }
  void input(const std::shared_ptr<Buffer>& buffer, std::size_t size, std::size_t offset) {
    commands_->input({buffer, size, offset});
  }
  void output(const std::shared_ptr<Buffer>& buffer, std::size_t size, std::size_t offset) {
    commands_->output({buffer, size, offset});
  }

  void run(const py::sequence& inputs, const py::sequence& outputs) {
    const Arrays arrays(*this, inputs, outputs);
    const Unlocked unlocked;  // from here to the brace: no Python objects
    commands_->run(arrays.inputs(), arrays.outputs());
  }
  std::vector<double> profile(const py::sequence& inputs, const py::sequence& outputs, int runs) {
    const Arrays arrays(*this, inputs, outputs);
    const Unlocked unlocked;  // from here to the brace: no Python objects
    return commands_->profile(arrays.inputs(), arrays.outputs(), runs);
  }

  py::capsule capsule() const;

 private:
  // The arrays of one run, kept alive and where they are.
  class Arrays {
   public:
    Arrays(BoundCommands& list, const py::sequence& inputs, const py::sequence& outputs) : list_(list) {
      if (std::exchange(list.is_lent_, true))
        throw opencl::Error(opencl::kBusy, "run", "this OpenCL command list is in use by another thread");
      try {
        collect(inputs, list.commands_->inputs(), "input");
        collect(outputs, list.commands_->outputs(), "output");
      } catch (...) {
        give_back();
        throw;
      }
    }
    ~Arrays() { give_back(); }
    Arrays(const Arrays&) = delete;
    Arrays& operator=(const Arrays&) = delete;

    const void* const* inputs() const { return list_.inputs_.data(); }
    void* const* outputs() const { return list_.outputs_.data(); }

   private:
    void collect(const py::sequence& given, std::span<const Transfer> transfers, const char* noun) {
      if (given.size() != transfers.size())
        throw ArgumentError(concat("expected ", transfers.size(), " ", noun, "s, got ", given.size()));
      const bool is_output = *noun == 'o';
      for (std::size_t i = 0; i < transfers.size(); ++i) {
        const py::object item = given[i];
        void* data = nullptr;
        if (transfers[i].size != 0) {
          data = data_of(item, transfers[i].size, is_output, noun, i);
          list_.kept_.push_back(item);
        }
        if (is_output)
          list_.outputs_.push_back(data);
        else
          list_.inputs_.push_back(data);
      }
    }
    static void* data_of(const py::object& item, std::size_t size, bool is_output, const char* noun, std::size_t i) {
      if (!py::isinstance<py::array>(item)) throw ArgumentError(concat(noun, " ", i, " is not a numpy array"));
      const auto array = py::reinterpret_borrow<py::array>(item);
      if (!(array.flags() & py::array::c_style)) throw ArgumentError(concat(noun, " ", i, " must be C-contiguous"));
      if (static_cast<std::size_t>(array.nbytes()) != size)
        throw ArgumentError(concat(noun, " ", i, " has ", array.nbytes(), " bytes instead of ", size));
      if (is_output && !array.writeable()) throw ArgumentError(concat(noun, " ", i, " must be writeable"));
      return const_cast<void*>(array.data());
    }
    void give_back() {
      list_.kept_.clear();
      list_.inputs_.clear();
      list_.outputs_.clear();
      list_.is_lent_ = false;
    }

    BoundCommands& list_;
  };

  const std::shared_ptr<Commands> commands_;
  bool is_lent_ = false;  // with the GIL
  std::vector<py::object> kept_;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
};

// What a "subgraft.executable" capsule points at.
struct Executable {
  subgraft_executable table;
  std::shared_ptr<Commands> commands;
};

int run_executable(void* self, const void* const* inputs, void* const* outputs, char* reason, size_t reason_size) {
  try {
    static_cast<Executable*>(self)->commands->run(inputs, outputs);
    return 0;
  } catch (const std::exception& error) {
    std::snprintf(reason, reason_size, "%s", error.what());
  } catch (...) {
    std::snprintf(reason, reason_size, "an OpenCL command list ended with an unknown exception");
  }
  return 1;
}

py::capsule BoundCommands::capsule() const {
  auto made = std::make_unique<Executable>();
  made->table = {SUBGRAFT_EXECUTABLE_VERSION, made.get(), run_executable};
  made->commands = commands_;
  static_assert(offsetof(Executable, table) == 0, "the capsule points at the table, its destructor at the whole");
  py::capsule capsule(made.get(), SUBGRAFT_EXECUTABLE_CAPSULE, [](PyObject* object) {
    delete static_cast<Executable*>(PyCapsule_GetPointer(object, SUBGRAFT_EXECUTABLE_CAPSULE));
  });
  (void)made.release();
  return capsule;
}

void bind_errors_and_library(py::module_& module) {
  py::dict attributes;
  for (const char* name : {"code", "call", "log"}) attributes[name] = "";
  cl_error = PyErr_NewExceptionWithDoc("subgraft._native.ClError",
                                       "What an OpenCL call ended with: `code` names it (\"OUT_OF_RESOURCES\"; CLOSED, "
                                       "FORKED, BUSY, MISSING_SYMBOL and NO_ANSWER are our own), `call` the function, "
                                       "`log` is what the compiler said.",
                                       PyExc_RuntimeError, attributes.ptr());
  if (cl_error == nullptr) throw py::error_already_set();
  module.attr("ClError") = py::handle(cl_error);
  py::register_exception_translator(translate);

  py::class_<Library, std::shared_ptr<Library>>(module, "ClLibrary", "A libOpenCL, or a driver that is one.")
      .def(py::init([](const std::string& path, const std::vector<std::string>& hidden) {
             const py::gil_scoped_release unlocked;  // from here to the brace: no Python objects
             return opencl::load(path, hidden);
           }),
           py::arg("path"), py::arg("hidden") = py::tuple(),
           "hidden: functions treated as absent. OSError: it cannot be loaded, or is no such library.")
      .def_readonly("path", &Library::path)
      .def_readonly("missing", &Library::missing, "Functions that are absent; calling one raises MISSING_SYMBOL.");
}

void bind_context(py::module_& module) {
  py::class_<Context, std::shared_ptr<Context>>(module, "ClContext",
                                                "A context that somebody else made, with a queue of our own in it.")
      .def(py::init(&share_context), py::arg("library"), py::arg("context"), py::arg("device"),
           "context, device: the handles as integers (pyopencl: int_ptr). Retains the context.")
      .def("build", &build, py::arg("source"), py::arg("options"), "ClError has the compiler's log.")
      .def("load", &load, py::arg("binary"), py::arg("options"), "From what ClProgram.binary() gave.")
      .def("buffer", &make_buffer, py::arg("size"), py::arg("host_visible") = false,
           "size: in bytes. host_visible: is mapped, for devices that share the processor's memory.")
      .def(
          "finish",
          [](Context& self) {
            const Unlocked unlocked;  // from here to the brace: no Python objects
            self.finish();
          },
          "Waits for all that was started.")
      .def(
          "close",
          [](Context& self) {
            const Unlocked unlocked;  // from here to the brace: no Python objects
            self.close();
          },
          "Releases all of it, or lets the run that is under way do so when it ends. May be called twice.");
}

void bind_program_and_buffer(py::module_& module) {
  py::class_<Program, std::shared_ptr<Program>>(module, "ClProgram", "A program built for a context's device.")
      .def(
          "binary",
          [](const Program& self) {
            std::vector<std::byte> binary;
            {
              const Unlocked unlocked;  // from here to the brace: no Python objects
              binary = self.binary();
            }
            return py::bytes(reinterpret_cast<const char*>(binary.data()), binary.size());
          },
          "For ClContext.load(). Drivers compile late: fetch it after a run.")
      .def(
          "work_group_limit",
          [](const Program& self, const std::string& kernel) {
            const Unlocked unlocked;  // from here to the brace: no Python objects
            return self.work_group_limit(kernel);
          },
          py::arg("kernel"), "The most work items of a group with this kernel.");

  py::class_<Buffer, std::shared_ptr<Buffer>>(module, "ClBuffer", "Memory of a device; what is in it is undefined.")
      .def_property_readonly("size", &Buffer::size, "In bytes.")
      .def("write", &write, py::arg("array"), py::arg("offset") = 0, "From anything contiguous; waits until done.")
      .def("read", &read, py::arg("array"), py::arg("offset") = 0, "Fills all of the array; waits until done.");
}

}  // namespace

void bind_opencl(py::module_& module) {
  bind_errors_and_library(module);
  bind_context(module);
  bind_program_and_buffer(module);
  py::class_<BoundCommands>(module, "ClCommands", "A recorded list of launches, for one thread at a time.")
      .def(py::init<std::shared_ptr<Context>, std::size_t>(), py::arg("context"), py::kw_only(),
           py::arg("flush_every") = 0, "flush_every: launches after which the driver is told to start; 0: it decides.")
      .def("launch", &BoundCommands::launch, py::arg("program"), py::arg("kernel"), py::arg("arguments"),
           py::arg("global_size"), py::arg("local_size"),
           "Appends one. An int is passed as cl_int, a float as cl_float. local_size None: as the driver likes.")
      .def("input", &BoundCommands::input, py::arg("buffer"), py::arg("size"), py::arg("offset") = 0,
           "Appends what run() writes first; size 0: nothing, it is on the device already.")
      .def("output", &BoundCommands::output, py::arg("buffer"), py::arg("size"), py::arg("offset") = 0,
           "Appends what run() reads last; size 0: nothing, it stays on the device.")
      .def("run", &BoundCommands::run, py::arg("inputs"), py::arg("outputs"),
           "Writes, launches, reads, waits. Whatever stays on the device may be anything, for example None.")
      .def("profile", &BoundCommands::profile, py::arg("inputs"), py::arg("outputs"), py::arg("runs"),
           "As run(), so many times, on a queue of its own; mean seconds of each launch. Warm up with run() before.")
      .def("capsule", &BoundCommands::capsule, "For the native executor. Lives on when this list is gone.");
}

}  // namespace subgraft
