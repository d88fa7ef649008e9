// Placeholder until the reader's own bindings land: open and read, nothing else.
#include "model/model.h"

#include "bind/bind.h"

namespace py = pybind11;

namespace subgraft {

void bind_model(py::module_& module) {
  py::class_<Model, std::shared_ptr<Model>>(module, "Model");
  module.def("open_model", &open_model);
  module.def("read_model", [](const std::string& bytes) {
    auto storage = std::make_shared<std::string>(bytes);
    return read_model(std::as_bytes(std::span(*storage)), storage);
  });
}

}  // namespace subgraft
