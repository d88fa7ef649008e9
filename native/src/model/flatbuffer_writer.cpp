#include "model/flatbuffer_writer.h"

#include <algorithm>

namespace subgraft::flatbuffer {
namespace {

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;  // clang 16 and older do not deduce it

}  // namespace

std::vector<std::byte> Writer::finish(const Record& root, std::string_view identifier) {
  const size_t slot = 0;
  append(uint32_t{0});
  append(identifier.data(), identifier.size());
  write_table(root, slot);
  return std::move(file_);
}

void Writer::pad_until(size_t alignment, size_t remainder) {
  while (file_.size() % alignment != remainder) file_.push_back(std::byte{0});
}

void Writer::append(const void* bytes, size_t size) {
  const auto* first = static_cast<const std::byte*>(bytes);
  file_.insert(file_.end(), first, first + size);
}

void Writer::point_here(size_t slot) {
  const auto distance = static_cast<uint32_t>(file_.size() - slot);
  std::memcpy(file_.data() + slot, &distance, sizeof distance);
}

size_t Writer::write_vtable(const std::vector<uint16_t>& entries) {
  const auto known = vtables_.find(entries);
  if (known != vtables_.end()) return known->second;
  pad_until(2, 0);
  const size_t at = file_.size();
  append(entries.data(), entries.size() * sizeof(uint16_t));
  vtables_.emplace(entries, at);
  return at;
}

void Writer::write_table(const Record& record, size_t slot) {
  // The widest fields first: with the first one aligned, so are all.
  std::vector<const Record::Field*> fields;
  int last_id = -1;
  for (const Record::Field& field : record.fields_) {
    fields.push_back(&field);
    last_id = std::max(last_id, field.id);
  }
  std::stable_sort(fields.begin(), fields.end(),
                   [](const auto* a, const auto* b) { return a->inline_size() > b->inline_size(); });
  size_t table_size = sizeof(int32_t);
  std::vector<uint16_t> vtable(2 + static_cast<size_t>(last_id + 1));
  for (const Record::Field* field : fields) {
    vtable[2 + static_cast<size_t>(field->id)] = static_cast<uint16_t>(table_size);
    table_size += field->inline_size();
  }
  vtable[0] = static_cast<uint16_t>(vtable.size() * sizeof(uint16_t));
  vtable[1] = static_cast<uint16_t>(table_size);

  const size_t vtable_at = write_vtable(vtable);
  pad_until(8, 4);
  point_here(slot);
  const size_t at = file_.size();
  append(static_cast<int32_t>(static_cast<int64_t>(at) - static_cast<int64_t>(vtable_at)));
  for (const Record::Field* field : fields) {
    const auto* scalar = std::get_if<Record::Scalar>(&field->value);
    const uint64_t bits = scalar ? scalar->bits : 0;
    append(&bits, field->inline_size());
  }
  for (const Record::Field& field : record.fields_) write_child(field, at + vtable[2 + static_cast<size_t>(field.id)]);
}

void Writer::write_child(const Record::Field& field, size_t slot) {
  std::visit(Overloaded{
                 [](const Record::Scalar&) {},
                 [&](const Record::Text& text) { write_text(text.text, slot); },
                 [&](const Record::Vector& vector) { write_vector(vector, slot); },
                 [&](const Record::One& one) { write_table(one.table.front(), slot); },
                 [&](const std::vector<Record>& tables) { write_tables(tables, slot); },
                 [&](const std::vector<std::string>& texts) { write_texts(texts, slot); },
             },
             field.value);
}

void Writer::write_text(std::string_view text, size_t slot) {
  pad_until(4, 0);
  point_here(slot);
  append(static_cast<uint32_t>(text.size()));
  append(text.data(), text.size());
  append(char{0});
}

void Writer::write_vector(const Record::Vector& vector, size_t slot) {
  const size_t alignment = std::max(vector.alignment, sizeof(uint32_t));
  pad_until(alignment, alignment - sizeof(uint32_t));
  point_here(slot);
  append(static_cast<uint32_t>(vector.count));
  const Bytes bytes = vector.bytes();
  append(bytes.data(), bytes.size());
}

size_t Writer::write_references(size_t count, size_t slot) {
  pad_until(4, 0);
  point_here(slot);
  append(static_cast<uint32_t>(count));
  const size_t first = file_.size();
  file_.resize(first + count * sizeof(uint32_t));
  return first;
}

void Writer::write_tables(const std::vector<Record>& tables, size_t slot) {
  const size_t first = write_references(tables.size(), slot);
  for (size_t i = 0; i < tables.size(); ++i) write_table(tables[i], first + i * sizeof(uint32_t));
}

void Writer::write_texts(const std::vector<std::string>& texts, size_t slot) {
  const size_t first = write_references(texts.size(), slot);
  for (size_t i = 0; i < texts.size(); ++i) write_text(texts[i], first + i * sizeof(uint32_t));
}

}  // namespace subgraft::flatbuffer
