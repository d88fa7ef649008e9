// What resource ops keep beyond one run and one subgraph: variables by name, tables by number.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/dtype.h"
#include "core/errors.h"
#include "core/shape.h"
#include "core/strings.h"

namespace subgraft {

// A value that ASSIGN_VARIABLE puts in and READ_VARIABLE takes out.
struct ResourceVariable {
  std::string name;
  bool is_assigned = false;
  DType dtype = DType::float32;
  Shape shape;
  std::vector<std::byte> bytes;
};

// From int64 to string, or from string to int64. Filled once.
struct HashTable {
  bool is_by_text = false;
  bool is_imported = false;
  std::unordered_map<std::string, int64_t> by_text;
  std::unordered_map<int64_t, int64_t> by_number;  // to a string's number
  std::shared_ptr<const Strings> texts;            // which these are

  int64_t size() const { return static_cast<int64_t>(is_by_text ? by_text.size() : by_number.size()); }
};

// Shared by the programs of one session, which run one after the other.
class Resources {
 public:
  // The same number for the same name.
  int32_t variable_id(const std::string& container, const std::string& name) {
    const auto [place, is_new] = ids_.try_emplace({container, name}, static_cast<int32_t>(variables_.size()));
    if (is_new) variables_.push_back({name, false, DType::float32, {}, {}});
    return place->second;
  }

  // Throws RunError for a number that no op handed out.
  ResourceVariable& variable(int32_t id) {
    if (id < 0 || id >= static_cast<int64_t>(variables_.size())) throw RunError(concat("there is no resource ", id));
    return variables_[static_cast<size_t>(id)];
  }

  // Makes the table of this number unless it is there. Throws RunError when it is there with keys of another type.
  void make_table(int32_t id, bool is_by_text) {
    tables_.try_emplace(id, HashTable{is_by_text, false, {}, {}, nullptr});
    table(id, is_by_text);
  }

  // Throws RunError for a number that no op handed out.
  HashTable& table(int32_t id) {
    const auto place = tables_.find(id);
    if (place == tables_.end()) throw RunError(concat("there is no table ", id));
    return place->second;
  }

  HashTable& table(int32_t id, bool is_by_text) {
    HashTable& found = table(id);
    if (found.is_by_text != is_by_text)
      throw RunError(concat("table ", id, " is from ", is_by_text ? "int64 to string" : "string to int64"));
    return found;
  }

  // What an op keeps between runs although it is prepared again on each of them, made the first time. `op` is an
  // address that no other op has.
  template <typename T, typename Make>
  std::shared_ptr<T> kept(const void* op, Make&& make) {
    std::shared_ptr<void>& place = kept_[op];
    if (!place) place = make();
    return std::static_pointer_cast<T>(place);
  }

  // What CALL_ONCE runs, by graph.
  bool has_run(int graph) const { return has_run_.contains(graph); }
  void set_run(int graph) { has_run_.insert(graph); }

  // Nothing is assigned any more, tables can be filled again, and what runs once runs again.
  void reset() {
    has_run_.clear();
    for (ResourceVariable& variable : variables_) variable.is_assigned = false;
    tables_.clear();
  }

 private:
  std::map<std::pair<std::string, std::string>, int32_t> ids_;
  std::deque<ResourceVariable> variables_;  // they stay where they are
  std::map<int32_t, HashTable> tables_;
  std::map<const void*, std::shared_ptr<void>> kept_;
  std::set<int> has_run_;
};

}  // namespace subgraft
