#include "bind/texts.h"

#include <string>
#include <utility>
#include <vector>

#include "bind/bind.h"
#include "core/errors.h"

namespace subgraft {
namespace {

namespace py = pybind11;

py::tuple kept(const py::array& array) {
  auto texts = keep_texts(array);
  py::array_t<int64_t> ids(std::vector<py::ssize_t>(array.shape(), array.shape() + array.ndim()));
  write_ids(*texts, ids.mutable_data());
  return py::make_tuple(ids, py::capsule(new std::shared_ptr<const Strings>(std::move(texts)), [](void* pointer) {
                          delete static_cast<std::shared_ptr<const Strings>*>(pointer);
                        }));
}

py::array objects(const py::array_t<int64_t, py::array::c_style | py::array::forcecast>& ids) {
  py::array made(py::dtype("object"), std::vector<py::ssize_t>(ids.shape(), ids.shape() + ids.ndim()));
  read_texts(ids.data(), made);
  return made;
}

}  // namespace

std::shared_ptr<const Strings> keep_texts(const py::array& array) {
  std::vector<std::string> texts;
  texts.reserve(static_cast<size_t>(array.size()));
  const char kind = array.dtype().kind();
  if (kind != 'O' && kind != 'S' && kind != 'U')
    throw ArgumentError(concat("strings are an array of bytes or str, not of ", std::string(py::str(array.dtype()))));
  const py::list elements = array.attr("ravel")().attr("tolist")();
  for (const py::handle element : elements) {
    if (!py::isinstance<py::bytes>(element) && !py::isinstance<py::str>(element))
      throw ArgumentError(concat("strings are bytes or str, not ",
                                 std::string(py::str(py::type::handle_of(element).attr("__name__")))));
    texts.push_back(element.cast<std::string>());
  }
  return Strings::keep(std::move(texts));
}

void write_ids(const Strings& texts, int64_t* ids) {
  for (int64_t i = 0; i < texts.size(); ++i) ids[i] = texts.id(i);
}

void read_texts(const int64_t* ids, py::array& objects) {
  auto* places = static_cast<PyObject**>(objects.mutable_data());
  for (py::ssize_t i = 0; i < objects.size(); ++i) {
    const auto text = Strings::find(ids[i]);
    if (!text) throw ArgumentError(concat("string ", i, " of this tensor is gone; read outputs before the next run"));
    PyObject* made = PyBytes_FromStringAndSize(text->data(), static_cast<Py_ssize_t>(text->size()));
    if (!made) throw py::error_already_set();
    Py_XDECREF(std::exchange(places[i], made));
  }
}

void bind_texts(py::module_& module) {
  module.def("keep_texts", &kept, py::arg("array"),
             "The numbers that stand for an array's strings in native programs, and what keeps the strings.");
  module.def("read_texts", &objects, py::arg("ids"), "The strings of such numbers, as an array of bytes.");
}

}  // namespace subgraft
