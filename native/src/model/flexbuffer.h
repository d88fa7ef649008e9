// Decodes flexbuffers, the schemaless format in which custom operators keep their options.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/model.h"

namespace subgraft::flexbuffer {

struct Value;
struct Entry;
using Vector = std::vector<Value>;
using Map = std::vector<Entry>;  // in the order of the file: sorted by key

struct Blob {
  std::vector<std::byte> bytes;
};

struct Value {
  // Strings and keys are std::string; writers also keep binary data in strings.
  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Blob, Vector, Map> held;

  // A map's value under this key; null when this is no map or has no such key.
  const Value* find(std::string_view key) const;
  // A map's numbers and texts, or the fallback when absent or of another type. Numbers convert into each other; a
  // real number that no int64_t holds reads as the fallback.
  int64_t integer(std::string_view key, int64_t fallback = 0) const;
  double real(std::string_view key, double fallback = 0) const;
  bool boolean(std::string_view key, bool fallback = false) const;
  std::string text(std::string_view key) const;
};

struct Entry {
  std::string key;
  Value value;
};

// Throws ModelError when the bytes are damaged, nested over 64 deep, or refer to the same data over and over.
Value decode(Bytes bytes);

}  // namespace subgraft::flexbuffer
