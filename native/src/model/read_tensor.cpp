// Decodes a Tensor table with its quantization and sparsity.
#include "model/decode.h"

namespace subgraft::decode {

using flatbuffer::Table;
using flatbuffer::Tables;

namespace {

void check_tensor(int32_t index, size_t tensors, const char* role, bool optional) {
  if (optional && index == -1) return;
  if (index < 0 || static_cast<size_t>(index) >= tensors)
    throw ModelError(concat(role, " are in tensor ", index, ", but the subgraph has ", tensors, " tensors"));
}

BlockwiseQuantization read_blockwise(const Table& table, size_t tensors) {
  BlockwiseQuantization details;
  details.scales = table.scalar<int32_t>(0);
  details.zero_points = table.scalar<int32_t>(1);
  details.block_size = table.scalar<int32_t>(2);
  check_tensor(details.scales, tensors, "the scales", false);
  check_tensor(details.zero_points, tensors, "the zero points", true);
  if (details.block_size < 0) throw ModelError(concat("the quantization block size is ", details.block_size));
  return details;
}

MultiAxisQuantization read_multi_axis(const Table& table, size_t tensors, size_t rank) {
  MultiAxisQuantization details;
  const BlockwiseQuantization common = read_blockwise(table, tensors);  // the first three fields are the same
  details.scales = common.scales;
  details.zero_points = common.zero_points;
  details.block_size = common.block_size;
  details.quantized_dimensions = table.numbers<int32_t>(3);
  for (const int32_t dimension : details.quantized_dimensions)
    if (dimension < 0 || (rank > 0 && static_cast<size_t>(dimension) >= rank))
      throw ModelError(concat("quantized dimension ", dimension, " does not exist in a tensor of rank ", rank));
  return details;
}

void read_details(const Table& table, Quantization& decoded, size_t tensors, size_t rank) {
  const auto type = table.scalar<uint8_t>(4);
  const std::optional<Table> details = table.table(5);
  if (type == 0) return;
  if (type > 3) {
    decoded.details = UnknownDetails{type};
    return;
  }
  if (!details) throw ModelError("the quantization details are missing");
  if (type == 1) decoded.details = CustomQuantization{details->numbers<std::byte>(0)};
  if (type == 2) decoded.details = read_blockwise(*details, tensors);
  if (type == 3) decoded.details = read_multi_axis(*details, tensors, rank);
}

// Scales and zero points must pair up, and per-channel ones match the dimension they belong to.
void check_scales(const Quantization& decoded, const std::vector<int32_t>& shape, std::vector<std::string>& warnings) {
  const size_t count = decoded.scale.size();
  if (count == 0) return;
  if (decoded.zero_point.size() != count)
    throw ModelError(concat("there are ", count, " scales but ", decoded.zero_point.size(), " zero points"));
  const int32_t axis = decoded.quantized_dimension;
  if (axis < 0 || (!shape.empty() && static_cast<size_t>(axis) >= shape.size())) {
    // Old converters leave the filter's axis on the bias. Kernels go by the number of scales.
    warnings.push_back(concat("quantized dimension ", axis, " does not exist in a tensor of rank ", shape.size()));
    return;
  }
  if (count > 1 && !shape.empty() && static_cast<int64_t>(count) != shape[axis])
    throw ModelError(
        concat("there are ", count, " scales for dimension ", axis, ", which has ", shape[axis], " elements"));
}

// Converters give every tensor of floats a table without content: one stands for all of them.
std::shared_ptr<const Quantization> keep(Quantization decoded) {
  static const auto nothing = std::make_shared<const Quantization>();
  const bool is_empty = decoded.min.empty() && decoded.max.empty() && decoded.scale.empty() &&
                        decoded.zero_point.empty() && decoded.details.index() == 0 && decoded.quantized_dimension == 0;
  return is_empty ? nothing : std::make_shared<const Quantization>(std::move(decoded));
}

std::shared_ptr<const Quantization> read_quantization(const Table& table, const std::vector<int32_t>& shape,
                                                      size_t tensors, std::vector<std::string>& warnings) {
  table.source().spend(sizeof(Quantization));
  Quantization decoded;
  decoded.min = table.numbers<float>(0);
  decoded.max = table.numbers<float>(1);
  decoded.scale = table.numbers<float>(2);
  decoded.zero_point = table.numbers<int64_t>(3);
  decoded.quantized_dimension = table.scalar<int32_t>(6);
  read_details(table, decoded, tensors, shape.size());
  // Blockwise and multi-axis details replace the plain scales, which are then ignored.
  if (decoded.details.index() < 2) check_scales(decoded, shape, warnings);
  return keep(std::move(decoded));
}

SparseIndex read_sparse_index(const Table& table, int id) {
  SparseIndex decoded;
  decoded.type = table.scalar<uint8_t>(id);
  const std::optional<Table> values = table.table(id + 1);
  if (decoded.type == 0) return decoded;
  if (!values) throw ModelError("a sparse index vector is missing");
  switch (decoded.type) {
    case 1:
      decoded.values = values->numbers<int32_t>(0);
      break;
    case 2:
      decoded.values = values->numbers<int32_t, uint16_t>(0);
      break;
    case 3:
      decoded.values = values->numbers<int32_t, uint8_t>(0);
      break;
    default:
      throw ModelError(concat("a sparse index vector has the unknown type ", int{decoded.type}));
  }
  return decoded;
}

std::shared_ptr<const Sparsity> read_sparsity(const Table& table) {
  Sparsity decoded;
  decoded.traversal_order = table.numbers<int32_t>(0);
  decoded.block_map = table.numbers<int32_t>(1);
  const Tables dimensions = table.tables(2);
  table.source().spend(sizeof(Sparsity) + dimensions.size() * sizeof(DimensionMetadata));
  for (size_t i = 0; i < dimensions.size(); ++i) {
    const Table dimension = dimensions[i];
    DimensionMetadata metadata;
    metadata.format = dimension.scalar<int8_t>(0);
    metadata.dense_size = dimension.scalar<int32_t>(1);
    metadata.array_segments = read_sparse_index(dimension, 2);
    metadata.array_indices = read_sparse_index(dimension, 4);
    decoded.dim_metadata.push_back(std::move(metadata));
  }
  return std::make_shared<const Sparsity>(std::move(decoded));
}

std::vector<VariantSubType> read_variants(const Tables& tables, flatbuffer::Source& source) {
  source.spend(tables.size() * sizeof(VariantSubType));
  std::vector<VariantSubType> variants;
  for (size_t i = 0; i < tables.size(); ++i) {
    const Table table = tables[i];
    VariantSubType variant;
    variant.shape = table.numbers<int32_t>(0);
    variant.type = static_cast<DType>(table.scalar<int8_t>(1));
    variant.has_rank = table.scalar<bool>(2);
    variants.push_back(std::move(variant));
  }
  return variants;
}

}  // namespace

TensorDef read_tensor(const Table& table, size_t buffers, size_t tensors, std::vector<std::string>& warnings) {
  TensorDef decoded;
  decoded.name = table.text(3);
  return within([&] { return quoted(decoded.name); },
                [&] {
                  decoded.shape = table.numbers<int32_t>(0);
                  decoded.dtype = static_cast<DType>(table.scalar<int8_t>(1));
                  decoded.buffer = table.scalar<uint32_t>(2);
                  if (decoded.buffer >= buffers)
                    throw ModelError(
                        concat("its constant is buffer ", decoded.buffer, ", but the file has ", buffers, " buffers"));
                  const size_t warned = warnings.size();
                  if (const auto quantization = table.table(4))
                    decoded.quantization = read_quantization(*quantization, decoded.shape, tensors, warnings);
                  for (size_t i = warned; i < warnings.size(); ++i)
                    warnings[i] = quoted(decoded.name) + ": " + warnings[i];
                  decoded.is_variable = table.scalar<bool>(5);
                  if (const auto sparsity = table.table(6)) decoded.sparsity = read_sparsity(*sparsity);
                  decoded.shape_signature = table.numbers<int32_t>(7);
                  decoded.has_rank = table.scalar<bool>(8);
                  decoded.variant_tensors = read_variants(table.tables(9), table.source());
                  decoded.external_buffer = table.scalar<uint32_t>(10);
                  return std::move(decoded);
                });
}

}  // namespace subgraft::decode
