// The structs of a decoded file as Python classes: read while converting a model, filled while drafting one.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <optional>

#include "bind/model.h"
#include "bind/options.h"
#include "core/errors.h"
#include "model/model.h"

namespace py = pybind11;

namespace subgraft {
namespace {

// A text field: read with bytes that are no UTF-8 replaced.
template <typename Class, typename Struct>
void def_text(Class& bound, const char* name, std::string Struct::* field) {
  bound.def_property(
      name, [field](const Struct& s) { return text_from_file(s.*field); },
      [field](Struct& s, std::string text) { s.*field = std::move(text); });
}

DType dtype_from_name(const std::string& name) {
  for (int i = 0; i < 128; ++i)
    if (dtype_name(static_cast<DType>(i)) == name) return static_cast<DType>(i);
  throw ArgumentError("there is no element type '" + name + "'");
}

template <typename Class, typename Struct>
void def_dtype(Class& bound, DType Struct::* field) {
  bound.def_property(
      "dtype", [field](const Struct& s) { return dtype_name(s.*field); },
      [field](Struct& s, const std::string& name) { s.*field = dtype_from_name(name); });
}

// (scales, zero points, block size, quantized dimensions or None); None for other quantizations.
py::object blockwise(const Quantization& quantization) {
  if (const auto* block = std::get_if<BlockwiseQuantization>(&quantization.details))
    return py::make_tuple(block->scales, block->zero_points, block->block_size, py::none());
  if (const auto* axes = std::get_if<MultiAxisQuantization>(&quantization.details))
    return py::make_tuple(axes->scales, axes->zero_points, axes->block_size,
                          py::tuple(py::cast(axes->quantized_dimensions)));
  return py::none();
}

void set_blockwise(Quantization& quantization, int32_t scales, int32_t zero_points, int32_t block_size,
                   std::optional<std::vector<int32_t>> dimensions) {
  if (dimensions)
    quantization.details = MultiAxisQuantization{scales, zero_points, block_size, std::move(*dimensions)};
  else
    quantization.details = BlockwiseQuantization{scales, zero_points, block_size};
}

std::optional<py::bytes> custom(const Quantization& quantization) {
  const auto* details = std::get_if<CustomQuantization>(&quantization.details);
  if (!details) return std::nullopt;
  return py::bytes(reinterpret_cast<const char*>(details->custom.data()), details->custom.size());
}

void set_custom(Quantization& quantization, std::string_view bytes) {
  const auto span = std::as_bytes(std::span(bytes));
  quantization.details = CustomQuantization{{span.begin(), span.end()}};
}

template <typename Stored>
py::array array_of(const std::vector<int32_t>& values) {
  py::array_t<Stored> array(static_cast<py::ssize_t>(values.size()));
  std::transform(values.begin(), values.end(), array.mutable_data(),
                 [](int32_t value) { return static_cast<Stored>(value); });
  return array;
}

// An array of the stored type, or None.
py::object sparse_index(const SparseIndex& index) {
  switch (index.type) {
    case 1:
      return array_of<int32_t>(index.values);
    case 2:
      return array_of<uint16_t>(index.values);
    case 3:
      return array_of<uint8_t>(index.values);
    default:
      return py::none();
  }
}

SparseIndex sparse_index_from(const std::optional<py::array>& array) {
  if (!array) return {};
  const auto type = array->dtype();
  SparseIndex index;
  index.type = type.is(py::dtype::of<uint16_t>()) ? 2 : type.is(py::dtype::of<uint8_t>()) ? 3 : 1;
  index.values = array->cast<std::vector<int32_t>>();
  return index;
}

void add_dimension(Sparsity& sparsity, bool compressed, int32_t size, const std::optional<py::array>& segments,
                   const std::optional<py::array>& indices) {
  DimensionMetadata dimension;
  dimension.format = compressed;
  dimension.dense_size = size;
  dimension.array_segments = sparse_index_from(segments);
  dimension.array_indices = sparse_index_from(indices);
  sparsity.dim_metadata.push_back(std::move(dimension));
}

// (compressed, size, segments, indices) for each dimension.
py::list dimensions(const Sparsity& sparsity) {
  py::list result;
  for (const DimensionMetadata& dimension : sparsity.dim_metadata)
    result.append(py::make_tuple(dimension.format == 1, dimension.dense_size, sparse_index(dimension.array_segments),
                                 sparse_index(dimension.array_indices)));
  return result;
}

void bind_quantization(py::module_& m) {
  py::class_<Quantization, std::shared_ptr<Quantization>>(m, "Quantization")
      .def(py::init<>())
      .def_readwrite("min", &Quantization::min)
      .def_readwrite("max", &Quantization::max)
      .def_readwrite("scale", &Quantization::scale)
      .def_readwrite("zero_point", &Quantization::zero_point)
      .def_readwrite("quantized_dimension", &Quantization::quantized_dimension)
      .def_property_readonly("blockwise", &blockwise)
      .def("set_blockwise", &set_blockwise)
      .def_property("custom", &custom, &set_custom);

  py::class_<Sparsity, std::shared_ptr<Sparsity>>(m, "Sparsity")
      .def(py::init<>())
      .def_readwrite("traversal_order", &Sparsity::traversal_order)
      .def_readwrite("block_map", &Sparsity::block_map)
      .def_property_readonly("dimensions", &dimensions)
      .def("add_dimension", &add_dimension);
}

void bind_tensor(py::module_& m) {
  py::class_<VariantSubType> variant(m, "VariantSubType");
  variant.def(py::init<>())
      .def_readwrite("shape", &VariantSubType::shape)
      .def_readwrite("has_rank", &VariantSubType::has_rank);
  def_dtype(variant, &VariantSubType::type);

  py::class_<TensorDef> tensor(m, "TensorDef");
  tensor.def(py::init<>())
      .def_readwrite("shape", &TensorDef::shape)
      .def_readwrite("shape_signature", &TensorDef::shape_signature)
      .def_readwrite("buffer", &TensorDef::buffer)
      .def_readwrite("is_variable", &TensorDef::is_variable)
      .def_readwrite("has_rank", &TensorDef::has_rank)
      .def_readwrite("variant_tensors", &TensorDef::variant_tensors)
      .def_readwrite("external_buffer", &TensorDef::external_buffer)
      .def_property(
          "quantization", [](const TensorDef& t) { return std::const_pointer_cast<Quantization>(t.quantization); },
          [](TensorDef& t, std::shared_ptr<Quantization> q) { t.quantization = std::move(q); })
      .def_property(
          "sparsity", [](const TensorDef& t) { return std::const_pointer_cast<Sparsity>(t.sparsity); },
          [](TensorDef& t, std::shared_ptr<Sparsity> s) { t.sparsity = std::move(s); });
  def_text(tensor, "name", &TensorDef::name);
  def_dtype(tensor, &TensorDef::dtype);
}

void bind_op(py::module_& m) {
  py::class_<OpCode>(m, "OpCode")
      .def_property_readonly("name", [](const OpCode& code) { return text_from_file(code.name()); })
      .def_readonly("builtin", &OpCode::builtin)
      .def_readonly("version", &OpCode::version)
      .def_property_readonly("is_custom", &OpCode::is_custom);

  py::class_<OpDef>(m, "OpDef")
      .def(py::init<>())
      .def_readwrite("opcode", &OpDef::opcode)
      .def_readwrite("inputs", &OpDef::inputs)
      .def_readwrite("outputs", &OpDef::outputs)
      .def_readwrite("intermediates", &OpDef::intermediates)
      .def_readwrite("mutating_variable_inputs", &OpDef::mutating_variable_inputs)
      .def_readwrite("custom_options_format", &OpDef::custom_options_format)
      .def_readwrite("debug_metadata_index", &OpDef::debug_metadata_index)
      .def_property_readonly("options", [](const OpDef& op) { return options_to_dict(op.options); })
      .def_property_readonly("options_table",
                             [](const OpDef& op) { return op.options.table() ? op.options.table()->name : ""; });
}

void bind_subgraph(py::module_& m) {
  using namespace pybind11::literals;
  py::class_<SubgraphDef> subgraph(m, "SubgraphDef");
  subgraph.def(py::init<>())
      .def_readwrite("inputs", &SubgraphDef::inputs)
      .def_readwrite("outputs", &SubgraphDef::outputs)
      .def_readwrite("debug_metadata_index", &SubgraphDef::debug_metadata_index)
      .def_property_readonly("tensor_count", [](const SubgraphDef& s) { return s.tensors.size(); })
      .def_property_readonly("op_count", [](const SubgraphDef& s) { return s.ops.size(); })
      .def(
          "tensor", [](const SubgraphDef& s, size_t i) -> const TensorDef& { return element(s.tensors, i, "tensor"); },
          "index"_a, py::return_value_policy::reference_internal)
      .def(
          "op", [](const SubgraphDef& s, size_t i) -> const OpDef& { return element(s.ops, i, "op"); }, "index"_a,
          py::return_value_policy::reference_internal)
      .def("add_tensor", [](SubgraphDef& s, const TensorDef& tensor) { s.tensors.push_back(tensor); })
      .def("add_op", [](SubgraphDef& s, const OpDef& op) { s.ops.push_back(op); });
  def_text(subgraph, "name", &SubgraphDef::name);
}

}  // namespace

void bind_tables(py::module_& m) {
  bind_quantization(m);
  bind_tensor(m);
  bind_op(m);
  bind_subgraph(m);
}

}  // namespace subgraft
