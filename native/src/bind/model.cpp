// Reading and writing .tflite files from Python. interpreter/model.py turns the structs into what delegates see.
#include "model/model.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <optional>

#include "bind/bind.h"
#include "bind/model.h"
#include "bind/options.h"
#include "core/errors.h"
#include "model/mapped_pages.h"

namespace py = pybind11;

namespace subgraft {
namespace {

// Keeps a Python object for as long as spans point into it; may die on any thread.
std::shared_ptr<const void> keep(py::object object) {
  return std::shared_ptr<const void>(object.release().ptr(), [](const void* kept) {
    py::gil_scoped_acquire locked;
    Py_DECREF(static_cast<PyObject*>(const_cast<void*>(kept)));
  });
}

// bytes are immutable and are read in place; what may change under us is copied.
std::shared_ptr<Model> read(const py::buffer& source) {
  auto bytes = py::reinterpret_borrow<py::object>(source);
  if (!PyBytes_CheckExact(source.ptr())) {
    bytes = py::reinterpret_steal<py::object>(PyBytes_FromObject(source.ptr()));
    if (!bytes) throw py::error_already_set();
  }
  const std::span text(PyBytes_AS_STRING(bytes.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(bytes.ptr())));
  std::shared_ptr<const void> storage = keep(std::move(bytes));
  py::gil_scoped_release unlocked;
  return read_model(std::as_bytes(text), std::move(storage));
}

std::shared_ptr<Model> open(const std::string& path) {
  py::gil_scoped_release unlocked;
  return open_model(path);
}

// Bytes of a model's storage, for memoryview(); keeps the model alive.
struct Stretch {
  std::shared_ptr<const Model> model;
  Bytes bytes;
};

// None where the file has no data at all, which is not the same as data of no bytes.
std::optional<Stretch> buffer(std::shared_ptr<const Model> model, size_t i) {
  const Bytes bytes = element(model->buffers, i, "buffer");
  if (bytes.data() == nullptr) return std::nullopt;
  return Stretch{std::move(model), bytes};
}

py::bytes custom_options(const Model& model, size_t subgraph, size_t op) {
  const Bytes bytes = element(element(model.subgraphs, subgraph, "subgraph").ops, op, "op").custom_options;
  return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

py::dict aliases(const std::vector<TensorAlias>& aliases) {
  py::dict tensors;
  for (const TensorAlias& alias : aliases) tensors[text_from_file(alias.name)] = alias.tensor;
  return tensors;
}

py::list signatures(const Model& model) {
  py::list result;
  for (const Signature& signature : model.signatures)
    result.append(py::make_tuple(text_from_file(signature.key), aliases(signature.inputs), aliases(signature.outputs),
                                 signature.subgraph));
  return result;
}

py::list metadata(const Model& model) {
  py::list result;
  for (const Metadata& entry : model.metadata) result.append(py::make_tuple(text_from_file(entry.name), entry.buffer));
  return result;
}

py::list external_buffers(const Model& model) {
  py::list result;
  for (const ExternalBuffer& external : model.external_buffers)
    result.append(py::make_tuple(external.id, text_from_file(model.external_buffer_groups[external.group]),
                                 external.offset, external.length, text_from_file(external.packing)));
  return result;
}

py::object file_identity(const Model& model) {
  const auto file = file_of(model);
  if (!file) return py::none();
  return py::make_tuple(file->device, file->inode, file->size, file->modified, file->changed);
}

// The whole file.
Stretch content(std::shared_ptr<const Model> model) {
  const Bytes bytes = file_bytes(*model);
  if (bytes.empty()) throw ArgumentError("this model is no file");
  return Stretch{std::move(model), bytes};
}

std::shared_ptr<WeightFile> keep_weights_in(const Model& model, const std::string& path, const std::string& key) {
  WeightFile::Key bytes;
  if (key.size() != bytes.size()) throw ArgumentError(concat("a key has ", bytes.size(), " bytes, not ", key.size()));
  std::memcpy(bytes.data(), key.data(), key.size());
  py::gil_scoped_release unlocked;  // from here on: no Python objects
  auto file = std::make_shared<WeightFile>(path, bytes);
  keep_weights(model, file);
  return file;
}

void bind_weight_file(py::module_& m) {
  using Unlocked = py::call_guard<py::gil_scoped_release>;
  using namespace pybind11::literals;
  py::class_<WeightFile, std::shared_ptr<WeightFile>>(m, "WeightFile")
      .def_property_readonly("has_new", &WeightFile::has_new)
      .def_property_readonly("problem", &WeightFile::problem)
      .def_property_readonly("is_damaged", &WeightFile::is_damaged)
      .def_property_readonly("found", &WeightFile::found)
      .def("write", &WeightFile::write, "file"_a, Unlocked());
}

}  // namespace

py::bytes write(const Model& model, size_t largest_flatbuffer) {
  std::vector<std::byte> file;
  {
    py::gil_scoped_release unlocked;  // from here to the brace: no Python objects
    file = write_model(model, largest_flatbuffer);
  }
  return py::bytes(reinterpret_cast<const char*>(file.data()), file.size());
}

void bind_model(py::module_& m) {
  m.attr("version") = SUBGRAFT_VERSION;
  bind_tables(m);
  bind_draft(m);
  bind_flexbuffer(m);
  bind_weight_file(m);

  py::class_<Stretch>(m, "Stretch", py::buffer_protocol()).def_buffer([](const Stretch& stretch) {
    auto* start = reinterpret_cast<uint8_t*>(const_cast<std::byte*>(stretch.bytes.data()));
    return py::buffer_info(start, static_cast<py::ssize_t>(stretch.bytes.size()), /*readonly=*/true);
  });

  using namespace pybind11::literals;
  py::class_<Model, std::shared_ptr<Model>>(m, "Model")
      .def_static("open", &open, "path"_a)
      .def_static("read", &read, "source"_a)
      .def_property_readonly("content", &content)
      .def_property_readonly("file_identity", &file_identity)
      .def("keep_weights", &keep_weights_in, "path"_a, "key"_a)
      .def_property_readonly("weight_file", &weight_file)
      .def("write", &write, "largest_flatbuffer"_a = kLargestFlatbuffer)
      .def_readonly("version", &Model::version)
      .def_property_readonly("description", [](const Model& model) { return text_from_file(model.description); })
      .def_readonly("warnings", &Model::warnings)
      .def_property_readonly("signatures", &signatures)
      .def_property_readonly("metadata", &metadata)
      .def_property_readonly("external_buffers", &external_buffers)
      .def_property_readonly("buffer_count", [](const Model& model) { return model.buffers.size(); })
      .def("buffer", &buffer, "index"_a)
      .def_property_readonly("subgraph_count", [](const Model& model) { return model.subgraphs.size(); })
      .def(
          "subgraph",
          [](const Model& model, size_t i) -> const SubgraphDef& { return element(model.subgraphs, i, "subgraph"); },
          "index"_a, py::return_value_policy::reference_internal)
      .def(
          "opcode", [](const Model& model, size_t i) -> const OpCode& { return element(model.opcodes, i, "opcode"); },
          "index"_a, py::return_value_policy::reference_internal)
      .def("custom_options", &custom_options, "subgraph"_a, "op"_a);
}

}  // namespace subgraft
