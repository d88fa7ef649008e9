// Native errors become the exception classes that the interpreter room hands over.
#include "core/errors.h"

#include <cstring>

#include "bind/bind.h"

namespace py = pybind11;

namespace subgraft {
namespace {

// Held for the life of the process, like the classes themselves.
struct ErrorClasses {
  PyObject* model = PyExc_ValueError;
  PyObject* unsupported = PyExc_RuntimeError;
  PyObject* run = PyExc_RuntimeError;
} classes;

// Messages carry names and paths from outside, which may be no UTF-8.
void raise(PyObject* type, const char* message) {
  PyObject* text = PyUnicode_DecodeUTF8(message, static_cast<Py_ssize_t>(std::strlen(message)), "backslashreplace");
  if (!text) return;  // out of memory, which Python then reports
  PyErr_SetObject(type, text);
  Py_DECREF(text);
}

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const ModelError& error) {
    raise(classes.model, error.what());
  } catch (const Unsupported& error) {
    raise(classes.unsupported, error.what());
  } catch (const RunError& error) {
    raise(classes.run, error.what());
  } catch (const ArgumentError& error) {
    raise(PyExc_ValueError, error.what());
  }
}

}  // namespace

void bind_errors(py::module_& module) {
  py::register_exception_translator(translate);
  module.def(
      "raise_as",
      [](py::type model, py::type unsupported, py::type run) {
        classes = {model.release().ptr(), unsupported.release().ptr(), run.release().ptr()};
      },
      py::arg("model_error"), py::arg("unsupported"), py::arg("run_error"),
      "Sets the exception classes for a wrong file, a missing kernel, and a wrong value met while running.");
}

}  // namespace subgraft
