// Decodes a .tflite file: the Model table and everything it refers to.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "model/decode.h"

namespace subgraft {

using flatbuffer::Source;
using flatbuffer::Table;
using flatbuffer::Tables;

namespace decode {

std::string quoted(std::string_view name) {
  constexpr size_t kLongest = 80;
  std::string text = "'";
  for (const char c : name.substr(0, kLongest)) {
    if (c >= 0x20 && c < 0x7f) {
      text += c;
      continue;
    }
    char escaped[5];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(c));
    text += escaped;
  }
  return text + (name.size() > kLongest ? "...'" : "'");
}

namespace {

constexpr size_t kIdentifierAt = 4;
constexpr char kIdentifier[] = "TFL3";

Table root(Source& source, Bytes file) {
  if (file.empty()) throw ModelError("the file is empty");
  if (file.size() < 8) throw ModelError(concat("the file has only ", file.size(), " bytes; a .tflite file has more"));
  if (std::memcmp(file.data() + kIdentifierAt, kIdentifier, 4) != 0) {
    const std::string_view found(reinterpret_cast<const char*>(file.data()) + kIdentifierAt, 4);
    throw ModelError(concat("this is not a .tflite file: bytes 4 to 7 are ", quoted(found), ", not 'TFL3'"));
  }
  return Table(source, source.target(0));
}

// Decodes each table of a vector; `noun` and the index lead every message.
template <typename T, typename Decode>
std::vector<T> read_all(const Table& parent, int id, const char* noun, const Decode& decode) {
  const Tables tables = parent.tables(id);
  parent.source().spend(tables.size() * sizeof(T));
  std::vector<T> decoded;
  decoded.reserve(tables.size());
  for (size_t i = 0; i < tables.size(); ++i)
    decoded.push_back(within([&] { return concat(noun, " ", i); }, [&] { return decode(tables[i], i); }));
  return decoded;
}

OpCode read_opcode(const Table& table) {
  OpCode decoded;
  // Codes over 126 do not fit the old byte field, which then holds 127; older files have the old field alone.
  decoded.builtin = std::max<int32_t>(table.scalar<int8_t>(0), table.scalar<int32_t>(3));
  decoded.custom_code = table.text(1);
  decoded.version = table.scalar<int32_t>(2, 1);
  if (decoded.builtin < 0) throw ModelError(concat("its builtin code is ", decoded.builtin));
  return decoded;
}

// Bytes that lie behind the flatbuffer. An offset of 0 or 1 means that there are none.
bool lies_outside(uint64_t offset) { return offset > 1; }

Bytes read_buffer(const Table& table) {
  const auto offset = table.scalar<uint64_t>(1);
  const auto size = table.scalar<uint64_t>(2);
  if (lies_outside(offset)) return table.source().slice(offset, size, "its data");
  return table.raw<std::byte>(0);
}

std::vector<int32_t> read_tensor_indices(const Table& table, int id, size_t tensors, const char* role, bool optional) {
  std::vector<int32_t> indices = table.numbers<int32_t>(id);
  for (size_t i = 0; i < indices.size(); ++i) {
    const int32_t tensor = indices[i];
    if (optional && tensor == -1) continue;
    if (tensor < 0 || static_cast<size_t>(tensor) >= tensors)
      throw ModelError(concat(role, " ", i, " is tensor ", tensor, ", but the subgraph has ", tensors, " tensors"));
  }
  return indices;
}

OpDef read_op(const Table& table, const std::vector<OpCode>& opcodes, size_t tensors) {
  OpDef decoded;
  decoded.opcode = table.scalar<uint32_t>(0);
  if (decoded.opcode >= opcodes.size())
    throw ModelError(concat("it has operator code ", decoded.opcode, ", but the file has ", opcodes.size()));
  return within([&] { return quoted(opcodes[decoded.opcode].name()); },
                [&] {
                  decoded.inputs = read_tensor_indices(table, 1, tensors, "input", true);
                  decoded.outputs = read_tensor_indices(table, 2, tensors, "output", false);
                  read_options(table, decoded);
                  const auto offset = table.scalar<uint64_t>(9);
                  const auto size = table.scalar<uint64_t>(10);
                  decoded.custom_options = lies_outside(offset)
                                               ? table.source().slice(offset, size, "its custom options")
                                               : table.raw<std::byte>(5);
                  decoded.custom_options_format = table.scalar<int8_t>(6);
                  decoded.mutating_variable_inputs = table.numbers<uint8_t>(7);
                  decoded.intermediates = read_tensor_indices(table, 8, tensors, "intermediate", true);
                  decoded.debug_metadata_index = table.scalar<int32_t>(13, -1);
                  return std::move(decoded);
                });
}

SubgraphDef read_subgraph(const Table& table, Model& model, size_t index) {
  SubgraphDef decoded;
  decoded.name = table.text(4);
  const size_t buffers = model.buffers.size();
  const size_t tensors = table.tables(0).size();
  const size_t warned = model.warnings.size();
  decoded.tensors = read_all<TensorDef>(table, 0, "tensor", [&](const Table& tensor, size_t i) {
    const size_t before = model.warnings.size();
    TensorDef result = read_tensor(tensor, buffers, tensors, model.warnings);
    for (size_t w = before; w < model.warnings.size(); ++w)
      model.warnings[w] = concat("tensor ", i, ": ", model.warnings[w]);
    return result;
  });
  for (size_t w = warned; w < model.warnings.size(); ++w)
    model.warnings[w] = concat("subgraph ", index, ": ", model.warnings[w]);
  decoded.inputs = read_tensor_indices(table, 1, tensors, "input", false);
  decoded.outputs = read_tensor_indices(table, 2, tensors, "output", false);
  decoded.ops =
      read_all<OpDef>(table, 3, "op", [&](const Table& op, size_t) { return read_op(op, model.opcodes, tensors); });
  decoded.debug_metadata_index = table.scalar<int32_t>(5, -1);
  return decoded;
}

std::vector<TensorAlias> read_aliases(const Table& table, int id, const char* noun, size_t tensors) {
  return read_all<TensorAlias>(table, id, noun, [&](const Table& alias, size_t) {
    TensorAlias decoded{alias.text(0), alias.scalar<uint32_t>(1)};
    if (decoded.tensor >= tensors)
      throw ModelError(
          concat(quoted(decoded.name), " is tensor ", decoded.tensor, ", but the subgraph has ", tensors, " tensors"));
    return decoded;
  });
}

Signature read_signature(const Table& table, const Model& model) {
  Signature decoded;
  decoded.key = table.text(2);
  return within([&] { return quoted(decoded.key); },
                [&] {
                  decoded.subgraph = table.scalar<uint32_t>(4);
                  if (decoded.subgraph >= model.subgraphs.size())
                    throw ModelError(
                        concat("it runs subgraph ", decoded.subgraph, ", but the file has ", model.subgraphs.size()));
                  const size_t tensors = model.subgraphs[decoded.subgraph].tensors.size();
                  decoded.inputs = read_aliases(table, 0, "input", tensors);
                  decoded.outputs = read_aliases(table, 1, "output", tensors);
                  return std::move(decoded);
                });
}

Metadata read_metadata(const Table& table, size_t buffers) {
  Metadata decoded{table.text(0), table.scalar<uint32_t>(1)};
  if (decoded.buffer >= buffers)
    throw ModelError(
        concat(quoted(decoded.name), " is buffer ", decoded.buffer, ", but the file has ", buffers, " buffers"));
  return decoded;
}

ExternalBuffer read_external(const Table& table, size_t groups) {
  ExternalBuffer decoded;
  decoded.id = table.scalar<uint32_t>(0);
  decoded.group = table.scalar<uint32_t>(1);
  decoded.offset = table.scalar<uint64_t>(2);
  decoded.length = table.scalar<uint64_t>(3);
  decoded.packing = table.text(4);
  if (decoded.group >= groups)
    throw ModelError(concat("it is in group ", decoded.group, ", but the file has ", groups, " groups"));
  return decoded;
}

void read_root(const Table& table, Model& model) {
  model.version = table.scalar<uint32_t>(0);
  model.description = table.text(3);
  model.opcodes = read_all<OpCode>(table, 1, "operator code", [](const Table& t, size_t) { return read_opcode(t); });
  model.buffers = read_all<Bytes>(table, 4, "buffer", [](const Table& t, size_t) { return read_buffer(t); });
  if (model.buffers.empty()) model.buffers.emplace_back();  // tensors without a constant refer to buffer 0
  model.subgraphs =
      read_all<SubgraphDef>(table, 2, "subgraph", [&](const Table& t, size_t i) { return read_subgraph(t, model, i); });
  if (model.subgraphs.empty()) throw ModelError("the file has no subgraph");
  model.metadata_buffer = table.numbers<int32_t>(5);
  model.metadata = read_all<Metadata>(table, 6, "metadata",
                                      [&](const Table& t, size_t) { return read_metadata(t, model.buffers.size()); });
  model.signatures =
      read_all<Signature>(table, 7, "signature", [&](const Table& t, size_t) { return read_signature(t, model); });
  model.external_buffer_groups =
      read_all<std::string>(table, 8, "external buffer group", [](const Table& t, size_t) { return t.text(0); });
  model.external_buffers = read_all<ExternalBuffer>(table, 9, "external buffer", [&](const Table& t, size_t) {
    return read_external(t, model.external_buffer_groups.size());
  });
}

}  // namespace
}  // namespace decode

std::shared_ptr<Model> read_model(Bytes file, std::shared_ptr<const void> storage) {
  auto model = std::make_shared<Model>();
  model->storage = std::move(storage);
  Source source(file);
  decode::read_root(decode::root(source, file), *model);
  return model;
}

}  // namespace subgraft
