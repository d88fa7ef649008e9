// A model in the making: what interpreter/conversion.py fills to write a file.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cctype>
#include <iterator>

#include "bind/model.h"
#include "bind/options.h"
#include "core/errors.h"
#include "model/model.h"
#include "model/schema.h"

namespace py = pybind11;

namespace subgraft {
namespace {

int32_t builtin_from_name(const std::string& name) {
  const auto* const first = std::begin(schema::kBuiltinOperatorNames);
  const auto* const last = std::end(schema::kBuiltinOperatorNames);
  const auto* const found = std::find(first, last, name);
  if (found != last) return static_cast<int32_t>(found - first);
  constexpr std::string_view kUnknown = "BUILTIN_";  // OpCode::name() of an operator that the schema lacks
  if (name.starts_with(kUnknown)) {
    const std::string digits = name.substr(kUnknown.size());
    const bool is_number = std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); });
    if (is_number && !digits.empty() && digits.size() < 9) return std::stoi(digits);
  }
  throw ArgumentError("there is no builtin operator '" + name + "'");
}

class Draft {
 public:
  Draft() { model_.buffers.emplace_back(); }  // buffer 0 stands for none

  void describe(uint32_t version, std::string description) {
    model_.version = version;
    model_.description = std::move(description);
  }

  uint32_t add_buffer(const py::buffer& content) {
    views_.push_back(content.request());
    const py::buffer_info& view = views_.back();
    if (!PyBuffer_IsContiguous(view.view(), 'C')) throw ArgumentError("a buffer must be contiguous");
    static constexpr std::byte kNothing{};
    const auto* start = view.ptr ? static_cast<const std::byte*>(view.ptr) : &kNothing;
    model_.buffers.emplace_back(start, static_cast<size_t>(view.size * view.itemsize));
    return static_cast<uint32_t>(model_.buffers.size() - 1);
  }

  uint32_t add_opcode(const std::string& kind, bool is_custom, int32_t version) {
    OpCode code;
    code.builtin = is_custom ? 32 : builtin_from_name(kind);
    code.custom_code = is_custom ? kind : "";
    code.version = version;
    auto& codes = model_.opcodes;
    const auto found = std::find_if(codes.begin(), codes.end(), [&](const OpCode& other) {
      return other.builtin == code.builtin && other.custom_code == code.custom_code && other.version == code.version;
    });
    if (found != codes.end()) return static_cast<uint32_t>(found - codes.begin());
    codes.push_back(std::move(code));
    return static_cast<uint32_t>(codes.size() - 1);
  }

  void set_options(OpDef& op, const std::string& table, const py::dict& values) const {
    subgraft::set_options(op, model_.opcodes.at(op.opcode).builtin, table, values);
  }

  void set_custom_options(OpDef& op, const py::bytes& options) {
    kept_.push_back(options);
    const std::string_view text = options;
    op.custom_options = std::as_bytes(std::span(text));
  }

  void add_subgraph(const SubgraphDef& subgraph) { model_.subgraphs.push_back(subgraph); }

  void add_metadata(const std::string& name, uint32_t buffer) { model_.metadata.push_back({name, buffer}); }

  void add_signature(const std::string& key, const std::vector<std::pair<std::string, uint32_t>>& inputs,
                     const std::vector<std::pair<std::string, uint32_t>>& outputs, uint32_t subgraph) {
    Signature signature{key, {}, {}, subgraph};
    for (const auto& [name, tensor] : inputs) signature.inputs.push_back({name, tensor});
    for (const auto& [name, tensor] : outputs) signature.outputs.push_back({name, tensor});
    model_.signatures.push_back(std::move(signature));
  }

  void add_external_buffer(uint32_t id, const std::string& group, uint64_t offset, uint64_t length,
                           const std::string& packing) {
    auto& groups = model_.external_buffer_groups;
    const auto found = std::find(groups.begin(), groups.end(), group);
    const auto index = static_cast<uint32_t>(found - groups.begin());
    if (found == groups.end()) groups.push_back(group);
    model_.external_buffers.push_back({id, index, offset, length, packing});
  }

  py::bytes write(size_t largest_flatbuffer) const { return subgraft::write(model_, largest_flatbuffer); }

 private:
  // What the model's spans point into.
  std::vector<py::buffer_info> views_;
  std::vector<py::object> kept_;
  Model model_;
};

}  // namespace

void bind_draft(py::module_& m) {
  using namespace pybind11::literals;
  py::class_<Draft>(m, "Draft")
      .def(py::init<>())
      .def("describe", &Draft::describe, "version"_a, "description"_a)
      .def("add_buffer", &Draft::add_buffer, "content"_a)
      .def("add_opcode", &Draft::add_opcode, "kind"_a, "is_custom"_a, "version"_a)
      .def("set_options", &Draft::set_options, "op"_a, "table"_a, "values"_a)
      .def("set_custom_options", &Draft::set_custom_options, "op"_a, "options"_a)
      .def("add_subgraph", &Draft::add_subgraph, "subgraph"_a)
      .def("add_metadata", &Draft::add_metadata, "name"_a, "buffer"_a)
      .def("add_signature", &Draft::add_signature, "key"_a, "inputs"_a, "outputs"_a, "subgraph"_a)
      .def("add_external_buffer", &Draft::add_external_buffer, "id"_a, "group"_a, "offset"_a, "length"_a, "packing"_a)
      .def("write", &Draft::write, "largest_flatbuffer"_a = kLargestFlatbuffer);
}

}  // namespace subgraft
