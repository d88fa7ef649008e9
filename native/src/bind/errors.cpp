// Native errors become the exception classes that the interpreter room hands over.
#include "core/errors.h"

#include <system_error>

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

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const ModelError& error) {
    PyErr_SetString(classes.model, error.what());
  } catch (const Unsupported& error) {
    PyErr_SetString(classes.unsupported, error.what());
  } catch (const RunError& error) {
    PyErr_SetString(classes.run, error.what());
  } catch (const ArgumentError& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
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
