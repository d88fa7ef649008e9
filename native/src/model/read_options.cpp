// Decodes an operator's builtin options, whichever table they are, by the field lists of schema.h.
#include <iterator>

#include "model/decode.h"
#include "model/schema.h"

namespace subgraft::decode {

using flatbuffer::Table;

namespace {

template <typename Stored>
OptionValue integers(const Table& table, int id) {
  if (!table.has(id)) return {};
  return table.numbers<int64_t, Stored>(id);
}

OptionValue read_value(const Table& table, int id, const OptionField& field) {
  const int64_t fallback = field.fallback;
  switch (field.kind) {
    case OptionKind::absent:
      return {};
    case OptionKind::boolean:
      return int64_t{table.scalar<bool>(id, fallback != 0)};
    case OptionKind::i8:
      return int64_t{table.scalar<int8_t>(id, static_cast<int8_t>(fallback))};
    case OptionKind::u8:
      return int64_t{table.scalar<uint8_t>(id, static_cast<uint8_t>(fallback))};
    case OptionKind::i32:
      return int64_t{table.scalar<int32_t>(id, static_cast<int32_t>(fallback))};
    case OptionKind::u32:
      return int64_t{table.scalar<uint32_t>(id, static_cast<uint32_t>(fallback))};
    case OptionKind::i64:
      return table.scalar<int64_t>(id, fallback);
    case OptionKind::u64:
      return static_cast<int64_t>(table.scalar<uint64_t>(id, static_cast<uint64_t>(fallback)));
    case OptionKind::f32:
      return double{table.scalar<float>(id, static_cast<float>(fallback))};
    case OptionKind::string:
      return table.has(id) ? OptionValue(table.text(id)) : OptionValue();
    case OptionKind::booleans:
    case OptionKind::u8s:
      return integers<uint8_t>(table, id);
    case OptionKind::i32s:
      return integers<int32_t>(table, id);
    case OptionKind::u32s:
      return integers<uint32_t>(table, id);
    case OptionKind::i64s:
      return integers<int64_t>(table, id);
    case OptionKind::f32s:
      return table.has(id) ? OptionValue(table.numbers<double, float>(id)) : OptionValue();
    case OptionKind::strings:
      return table.has(id) ? OptionValue(table.texts(id)) : OptionValue();
  }
  return {};
}

Options read_table(const Table& table, const OptionTable& schema) {
  table.source().spend(schema.fields.size() * sizeof(OptionValue));
  std::vector<OptionValue> values;
  values.reserve(schema.fields.size());
  for (size_t id = 0; id < schema.fields.size(); ++id)
    values.push_back(read_value(table, static_cast<int>(id), schema.fields[id]));
  return Options(&schema, std::move(values));
}

}  // namespace

void read_options(const Table& op, OpDef& decoded) {
  decoded.options_type = op.scalar<uint8_t>(3);
  decoded.options_2_type = op.scalar<uint8_t>(11);
  const auto first = decoded.options_type ? op.table(4) : std::nullopt;
  const auto second = decoded.options_2_type ? op.table(12) : std::nullopt;
  if (first && decoded.options_type < std::size(schema::kBuiltinOptions))
    decoded.options = read_table(*first, schema::kBuiltinOptions[decoded.options_type]);
  else if (second && decoded.options_2_type < std::size(schema::kBuiltinOptions2))
    decoded.options = read_table(*second, schema::kBuiltinOptions2[decoded.options_2_type]);
}

}  // namespace subgraft::decode
