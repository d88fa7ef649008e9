#include "model/flexbuffer.h"

#include <pybind11/pybind11.h>

#include "bind/model.h"
#include "bind/options.h"

namespace py = pybind11;

namespace subgraft {
namespace {

py::object to_python(const flexbuffer::Value& value);

struct ToPython {
  py::object operator()(std::monostate) const { return py::none(); }
  py::object operator()(bool held) const { return py::bool_(held); }
  py::object operator()(int64_t held) const { return py::int_(held); }
  py::object operator()(uint64_t held) const { return py::int_(held); }
  py::object operator()(double held) const { return py::float_(held); }
  // Writers keep binary data in strings too: what is no UTF-8 arrives as bytes.
  py::object operator()(const std::string& held) const {
    PyObject* text = PyUnicode_DecodeUTF8(held.data(), static_cast<Py_ssize_t>(held.size()), nullptr);
    if (text) return py::reinterpret_steal<py::object>(text);
    PyErr_Clear();
    return py::bytes(held);
  }
  py::object operator()(const flexbuffer::Blob& held) const {
    return py::bytes(reinterpret_cast<const char*>(held.bytes.data()), held.bytes.size());
  }
  py::object operator()(const flexbuffer::Vector& held) const {
    py::list elements;
    for (const flexbuffer::Value& element : held) elements.append(to_python(element));
    return elements;
  }
  py::object operator()(const flexbuffer::Map& held) const {
    py::dict entries;
    for (const auto& [key, value] : held) entries[text_from_file(key)] = to_python(value);
    return entries;
  }
};

py::object to_python(const flexbuffer::Value& value) { return std::visit(ToPython{}, value.held); }

py::object decode(const py::bytes& encoded) {
  const std::string_view text = encoded;
  return to_python(flexbuffer::decode(std::as_bytes(std::span(text))));
}

}  // namespace

void bind_flexbuffer(py::module_& m) { m.def("decode_flexbuffer", &decode, py::arg("encoded")); }

}  // namespace subgraft
