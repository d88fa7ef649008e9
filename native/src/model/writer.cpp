// Encodes a Model as a .tflite file: the inverse of the reader, field by field.
#include <algorithm>
#include <limits>

#include "core/errors.h"
#include "model/flatbuffer_writer.h"

namespace subgraft {
namespace {

using flatbuffer::Record;

constexpr size_t kBufferAlignment = 16;

template <typename T, typename Encode>
std::vector<Record> each(const std::vector<T>& items, const Encode& encode) {
  std::vector<Record> records;
  records.reserve(items.size());
  for (const T& item : items) records.push_back(encode(item));
  return records;
}

template <typename T, typename Encode>
void tables_if_any(Record& parent, int id, const std::vector<T>& items, const Encode& encode) {
  if (!items.empty()) parent.tables(id, each(items, encode));
}

Record encode_opcode(const OpCode& code) {
  constexpr int32_t kInNewField = 127;  // what the old one-byte field says of codes that do not fit it
  Record record;
  record.scalar<int8_t>(0, static_cast<int8_t>(std::min(code.builtin, kInNewField)));
  record.text_if_any(1, code.custom_code);
  record.scalar<int32_t>(2, code.version, 1);
  record.scalar<int32_t>(3, code.builtin);
  return record;
}

Record encode_blockwise(int32_t scales, int32_t zero_points, int32_t block_size) {
  Record record;
  record.scalar<int32_t>(0, scales).scalar<int32_t>(1, zero_points).scalar<int32_t>(2, block_size);
  return record;
}

void encode_details(const Quantization& quantization, Record& record) {
  const auto put = [&](uint8_t type, Record details) { record.scalar<uint8_t>(4, type).table(5, std::move(details)); };
  if (const auto* custom = std::get_if<CustomQuantization>(&quantization.details)) {
    Record details;
    details.bytes(0, custom->custom, kBufferAlignment);
    put(1, std::move(details));
  }
  if (const auto* block = std::get_if<BlockwiseQuantization>(&quantization.details))
    put(2, encode_blockwise(block->scales, block->zero_points, block->block_size));
  if (const auto* axes = std::get_if<MultiAxisQuantization>(&quantization.details)) {
    Record details = encode_blockwise(axes->scales, axes->zero_points, axes->block_size);
    details.numbers(3, axes->quantized_dimensions);
    put(3, std::move(details));
  }
  if (const auto* unknown = std::get_if<UnknownDetails>(&quantization.details))
    throw Unsupported(concat("quantization details of the unknown type ", int{unknown->type}, " cannot be written"));
}

Record encode_quantization(const Quantization& quantization) {
  Record record;
  record.numbers_if_any(0, quantization.min).numbers_if_any(1, quantization.max);
  record.numbers_if_any(2, quantization.scale).numbers_if_any(3, quantization.zero_point);
  encode_details(quantization, record);
  record.scalar<int32_t>(6, quantization.quantized_dimension);
  return record;
}

void encode_sparse_index(const SparseIndex& index, int id, Record& record) {
  if (index.type == 0) return;
  Record values;
  const std::span<const int32_t> numbers(index.values);
  switch (index.type) {
    case 1:
      values.numbers(0, index.values);
      break;
    case 2:
      values.converted<uint16_t>(0, numbers, 4);
      break;
    case 3:
      values.converted<uint8_t>(0, numbers, 4);
      break;
    default:
      throw Unsupported(concat("sparse indices of the unknown type ", int{index.type}, " cannot be written"));
  }
  record.scalar<uint8_t>(id, index.type).table(id + 1, std::move(values));
}

Record encode_sparsity(const Sparsity& sparsity) {
  Record record;
  record.numbers_if_any(0, sparsity.traversal_order).numbers_if_any(1, sparsity.block_map);
  tables_if_any(record, 2, sparsity.dim_metadata, [](const DimensionMetadata& dimension) {
    Record metadata;
    metadata.scalar<int8_t>(0, dimension.format).scalar<int32_t>(1, dimension.dense_size);
    encode_sparse_index(dimension.array_segments, 2, metadata);
    encode_sparse_index(dimension.array_indices, 4, metadata);
    return metadata;
  });
  return record;
}

Record encode_tensor(const TensorDef& tensor) {
  Record record;
  record.numbers(0, tensor.shape);
  record.scalar<int8_t>(1, static_cast<int8_t>(tensor.dtype));
  record.scalar<uint32_t>(2, tensor.buffer);
  record.text(3, tensor.name);
  if (tensor.quantization) record.table(4, encode_quantization(*tensor.quantization));
  record.scalar<uint8_t>(5, tensor.is_variable);
  if (tensor.sparsity) record.table(6, encode_sparsity(*tensor.sparsity));
  record.numbers_if_any(7, tensor.shape_signature);
  record.scalar<uint8_t>(8, tensor.has_rank);
  tables_if_any(record, 9, tensor.variant_tensors, [](const VariantSubType& variant) {
    Record table;
    table.numbers(0, variant.shape).scalar<int8_t>(1, static_cast<int8_t>(variant.type));
    table.scalar<uint8_t>(2, variant.has_rank);
    return table;
  });
  record.scalar<uint32_t>(10, tensor.external_buffer);
  return record;
}

template <typename T>
std::span<const T> elements(const OptionValue& value) {
  const auto* values = std::get_if<std::vector<T>>(&value);
  return values ? std::span<const T>(*values) : std::span<const T>();
}

template <typename T>
void encode_integer(const OptionValue& value, int id, const OptionField& field, Record& record) {
  const auto* number = std::get_if<int64_t>(&value);
  record.scalar<T>(id, static_cast<T>(number ? *number : field.fallback), static_cast<T>(field.fallback));
}

void encode_option(const OptionValue& value, int id, const OptionField& field, Record& record) {
  const bool given = !std::holds_alternative<std::monostate>(value);
  switch (field.kind) {
    case OptionKind::absent:
      return;
    case OptionKind::boolean:
    case OptionKind::u8:
      return encode_integer<uint8_t>(value, id, field, record);
    case OptionKind::i8:
      return encode_integer<int8_t>(value, id, field, record);
    case OptionKind::i32:
      return encode_integer<int32_t>(value, id, field, record);
    case OptionKind::u32:
      return encode_integer<uint32_t>(value, id, field, record);
    case OptionKind::i64:
      return encode_integer<int64_t>(value, id, field, record);
    case OptionKind::u64:
      return encode_integer<uint64_t>(value, id, field, record);
    case OptionKind::f32: {
      const auto* number = std::get_if<double>(&value);
      record.scalar<float>(id, number ? static_cast<float>(*number) : 0.0f);
      return;
    }
    default:
      break;
  }
  if (!given) return;
  switch (field.kind) {
    case OptionKind::string:
      if (const auto* text = std::get_if<std::string>(&value)) record.text(id, *text);
      return;
    case OptionKind::booleans:
    case OptionKind::u8s:
      record.converted<uint8_t>(id, elements<int64_t>(value));
      return;
    case OptionKind::i32s:
      record.converted<int32_t>(id, elements<int64_t>(value));
      return;
    case OptionKind::u32s:
      record.converted<uint32_t>(id, elements<int64_t>(value));
      return;
    case OptionKind::i64s:
      record.converted<int64_t>(id, elements<int64_t>(value));
      return;
    case OptionKind::f32s:
      record.converted<float>(id, elements<double>(value));
      return;
    case OptionKind::strings:
      if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) record.texts(id, *texts);
      return;
    default:
      return;
  }
}

void encode_options(const OpDef& op, Record& record) {
  const OptionTable* schema = op.options.table();
  if (!schema) {
    if (op.options_type == 0 && op.options_2_type == 0) return;
    throw Unsupported(concat("options of the unknown type ", int{op.options_type}, "/", int{op.options_2_type},
                             " cannot be written"));
  }
  Record options;
  for (size_t id = 0; id < schema->fields.size(); ++id)
    encode_option(op.options.values()[id], static_cast<int>(id), schema->fields[id], options);
  const bool first = op.options_type != 0;
  record.scalar<uint8_t>(first ? 3 : 11, first ? op.options_type : op.options_2_type);
  record.table(first ? 4 : 12, std::move(options));
}

Record encode_op(const OpDef& op, const std::vector<OpCode>& opcodes) {
  Record record;
  record.scalar<uint32_t>(0, op.opcode).numbers(1, op.inputs).numbers(2, op.outputs);
  try {
    encode_options(op, record);
  } catch (const Unsupported& error) {
    throw Unsupported(concat(opcodes.at(op.opcode).name(), ": ", error.what()));
  }
  // Kernels of other runtimes read flexbuffers in place, so their root is kept aligned.
  if (!op.custom_options.empty()) record.bytes(5, op.custom_options, kBufferAlignment);
  record.scalar<int8_t>(6, op.custom_options_format);
  record.numbers_if_any(7, op.mutating_variable_inputs).numbers_if_any(8, op.intermediates);
  record.scalar<int32_t>(13, op.debug_metadata_index, -1);
  return record;
}

Record encode_subgraph(const SubgraphDef& subgraph, const std::vector<OpCode>& opcodes) {
  Record record;
  record.tables(0, each(subgraph.tensors, encode_tensor));
  record.numbers(1, subgraph.inputs).numbers(2, subgraph.outputs);
  record.tables(3, each(subgraph.ops, [&](const OpDef& op) { return encode_op(op, opcodes); }));
  record.text_if_any(4, subgraph.name);
  record.scalar<int32_t>(5, subgraph.debug_metadata_index, -1);
  return record;
}

Record encode_alias(const TensorAlias& alias) {
  Record record;
  record.text(0, alias.name).scalar<uint32_t>(1, alias.tensor);
  return record;
}

Record encode_signature(const Signature& signature) {
  Record record;
  record.tables(0, each(signature.inputs, encode_alias)).tables(1, each(signature.outputs, encode_alias));
  record.text(2, signature.key).scalar<uint32_t>(4, signature.subgraph);
  return record;
}

Record encode_external(const ExternalBuffer& external) {
  Record record;
  record.scalar<uint32_t>(0, external.id).scalar<uint32_t>(1, external.group);
  record.scalar<uint64_t>(2, external.offset).scalar<uint64_t>(3, external.length);
  record.text_if_any(4, external.packing);
  return record;
}

// Where the bytes of the buffers go: into the flatbuffer, or behind it from this offset on.
struct Placement {
  bool behind = false;
  uint64_t first = kBufferAlignment;
};

uint64_t aligned(uint64_t size) { return (size + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment; }

std::vector<Record> encode_buffers(const Model& model, const Placement& placement) {
  uint64_t offset = placement.first;
  return each(model.buffers, [&](Bytes buffer) {
    Record record;
    if (buffer.data() == nullptr) return record;
    if (!placement.behind || buffer.empty()) {
      record.bytes(0, buffer, kBufferAlignment);
      return record;
    }
    record.scalar<uint64_t>(1, offset).scalar<uint64_t>(2, buffer.size());
    offset += aligned(buffer.size());
    return record;
  });
}

std::vector<std::byte> encode(const Model& model, const Placement& placement, size_t expected_size) {
  Record root;
  root.scalar<uint32_t>(0, model.version);
  root.tables(1, each(model.opcodes, encode_opcode));
  root.tables(2, each(model.subgraphs, [&](const SubgraphDef& s) { return encode_subgraph(s, model.opcodes); }));
  root.text_if_any(3, model.description);
  root.numbers_if_any(5, model.metadata_buffer);
  tables_if_any(root, 6, model.metadata, [](const Metadata& metadata) {
    Record record;
    record.text(0, metadata.name).scalar<uint32_t>(1, metadata.buffer);
    return record;
  });
  tables_if_any(root, 7, model.signatures, encode_signature);
  tables_if_any(root, 8, model.external_buffer_groups, [](const std::string& name) {
    Record record;
    record.text(0, name);
    return record;
  });
  tables_if_any(root, 9, model.external_buffers, encode_external);
  root.tables(4, encode_buffers(model, placement));  // last, so that the structure is read without paging in weights
  return flatbuffer::Writer(expected_size).finish(root, "TFL3");
}

std::vector<std::byte> encode_behind(const Model& model) {
  // Offsets have a fixed width, so a first encoding tells where the flatbuffer ends.
  const size_t structure = encode(model, {true, kBufferAlignment}, 0).size();
  const Placement placement{true, aligned(structure)};
  uint64_t total = placement.first;
  for (const Bytes buffer : model.buffers) total += aligned(buffer.size());
  std::vector<std::byte> file = encode(model, placement, total);
  for (const Bytes buffer : model.buffers) {
    if (buffer.empty()) continue;
    file.resize(aligned(file.size()));
    file.insert(file.end(), buffer.begin(), buffer.end());
  }
  return file;
}

}  // namespace

std::vector<std::byte> write_model(const Model& model, size_t largest_flatbuffer) {
  uint64_t constants = 0;
  for (const Bytes buffer : model.buffers) constants += aligned(buffer.size());
  if (constants < largest_flatbuffer) {
    std::vector<std::byte> file = encode(model, {}, constants);
    if (file.size() <= largest_flatbuffer) return file;
  }
  return encode_behind(model);
}

}  // namespace subgraft
