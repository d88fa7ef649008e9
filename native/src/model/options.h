// Builtin options: one decoded table of named values, described by schema.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace subgraft {

enum class OptionKind : uint8_t {
  absent,  // deprecated: skipped
  boolean,
  i8,
  u8,
  i32,
  u32,
  i64,
  u64,
  f32,
  string,
  booleans,
  u8s,
  i32s,
  u32s,
  i64s,
  f32s,
  strings,
};

struct OptionField {
  const char* name;
  OptionKind kind;
  int64_t fallback = 0;  // what an absent field means; no real number in the schema has a default but 0
  std::span<const char* const> names = {};  // for enumerations, indexed by value
};

struct OptionTable {
  const char* name;  // "Conv2DOptions"
  std::span<const OptionField> fields;
};

// monostate: a string or vector that the file leaves out.
using OptionValue = std::variant<std::monostate, int64_t, double, std::string, std::vector<int64_t>,
                                 std::vector<double>, std::vector<std::string>>;

// What an operator says of itself. Without a table in the file every number reads as its fallback argument, as in
// TFLite, whose parameter structs start out zeroed.
class Options {
 public:
  Options() = default;
  Options(const OptionTable* table, std::vector<OptionValue> values) : table_(table), values_(std::move(values)) {}

  const OptionTable* table() const { return table_; }              // null when the file has none, or one we do not know
  std::span<const OptionValue> values() const { return values_; }  // in the order of table()->fields

  int64_t integer(std::string_view name, int64_t fallback = 0) const;
  bool boolean(std::string_view name) const { return integer(name) != 0; }
  double real(std::string_view name, double fallback = 0) const;
  std::string text(std::string_view name) const;
  // Empty when absent. integers() of a vector of integers or booleans, reals() of a vector of floats.
  std::span<const int64_t> integers(std::string_view name) const;
  std::span<const double> reals(std::string_view name) const;

 private:
  const OptionValue* find(std::string_view name) const;

  const OptionTable* table_ = nullptr;
  std::vector<OptionValue> values_;
};

}  // namespace subgraft
