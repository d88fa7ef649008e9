// Builds a flatbuffer front to back: records describe tables by field id, and a writer lays them out.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "model/model.h"

namespace subgraft::flatbuffer {

// One table to be written. Borrowed bytes must live until the writer is done.
class Record {
 public:
  // Left out when it equals the schema's default.
  template <typename T>
  Record& scalar(int id, T value, T fallback = {}) {
    if (std::memcmp(&value, &fallback, sizeof(T)) != 0) fields_.push_back({id, Scalar::of(value)});
    return *this;
  }

  Record& text(int id, std::string_view text) {
    fields_.push_back({id, Text{text}});
    return *this;
  }

  // Left out when empty, as TFLite's own writers do.
  Record& text_if_any(int id, std::string_view value) { return value.empty() ? *this : text(id, value); }

  template <typename T>
  Record& numbers(int id, const std::vector<T>& values, size_t alignment = sizeof(T)) {
    return vector(id, {std::as_bytes(std::span(values)), {}, values.size(), alignment});
  }

  template <typename T>
  Record& numbers_if_any(int id, const std::vector<T>& values) {
    return values.empty() ? *this : numbers(id, values);
  }

  // The same numbers in another width.
  template <typename Stored, typename T>
  Record& converted(int id, std::span<const T> values, size_t alignment = sizeof(Stored)) {
    std::vector<std::byte> bytes(values.size() * sizeof(Stored));
    for (size_t i = 0; i < values.size(); ++i) {
      const auto stored = static_cast<Stored>(values[i]);
      std::memcpy(bytes.data() + i * sizeof(Stored), &stored, sizeof(Stored));
    }
    return vector(id, {{}, std::move(bytes), values.size(), alignment});
  }

  Record& bytes(int id, Bytes bytes, size_t alignment) { return vector(id, {bytes, {}, bytes.size(), alignment}); }

  Record& texts(int id, std::vector<std::string> texts) {
    fields_.push_back({id, std::move(texts)});
    return *this;
  }

  Record& table(int id, Record table) {
    std::vector<Record> one;
    one.push_back(std::move(table));
    fields_.push_back({id, One{std::move(one)}});
    return *this;
  }

  Record& tables(int id, std::vector<Record> tables) {
    fields_.push_back({id, std::move(tables)});
    return *this;
  }

 private:
  friend class Writer;

  struct Scalar {
    uint64_t bits = 0;
    size_t size = 0;

    template <typename T>
    static Scalar of(T value) {
      Scalar scalar{0, sizeof(T)};
      std::memcpy(&scalar.bits, &value, sizeof(T));
      return scalar;
    }
  };
  struct Text {
    std::string_view text;
  };
  struct Vector {
    Bytes borrowed;
    std::vector<std::byte> owned;
    size_t count = 0;
    size_t alignment = 1;  // of the first element in the file

    Bytes bytes() const { return owned.empty() ? borrowed : Bytes(owned); }
  };
  struct One {
    std::vector<Record> table;  // exactly one; a vector because Record is incomplete here
  };
  struct Field {
    int id;
    std::variant<Scalar, Text, Vector, std::vector<std::string>, One, std::vector<Record>> value;

    size_t inline_size() const {
      const Scalar* scalar = std::get_if<Scalar>(&value);
      return scalar ? scalar->size : sizeof(uint32_t);
    }
  };

  Record& vector(int id, Vector vector) {
    fields_.push_back({id, std::move(vector)});
    return *this;
  }

  std::vector<Field> fields_;
};

class Writer {
 public:
  explicit Writer(size_t expected_size) { file_.reserve(expected_size); }

  // A whole file with this table as its root.
  std::vector<std::byte> finish(const Record& root, std::string_view identifier);

 private:
  void pad_until(size_t alignment, size_t remainder);
  void append(const void* bytes, size_t size);
  template <typename T>
  void append(T value) {
    append(&value, sizeof value);
  }
  // Makes the reference stored at `slot` point at the end of the file, where its target is written next.
  void point_here(size_t slot);
  // Each of these pads, points the slot at what it writes, and writes it.
  void write_table(const Record& record, size_t slot);
  void write_text(std::string_view text, size_t slot);
  void write_vector(const Record::Vector& vector, size_t slot);
  void write_tables(const std::vector<Record>& tables, size_t slot);
  void write_texts(const std::vector<std::string>& texts, size_t slot);
  void write_child(const Record::Field& field, size_t slot);
  // A vector of `count` references, still open; returns where the first is.
  size_t write_references(size_t count, size_t slot);
  size_t write_vtable(const std::vector<uint16_t>& entries);

  std::vector<std::byte> file_;
  std::map<std::vector<uint16_t>, size_t> vtables_;
};

}  // namespace subgraft::flatbuffer
