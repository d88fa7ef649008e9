// What resource ops keep beyond one run and one subgraph: variables by name.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/dtype.h"
#include "core/errors.h"
#include "core/shape.h"

namespace subgraft {

// A value that ASSIGN_VARIABLE puts in and READ_VARIABLE takes out.
struct ResourceVariable {
  std::string name;
  bool is_assigned = false;
  DType dtype = DType::float32;
  Shape shape;
  std::vector<std::byte> bytes;
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

  // What an op keeps between runs although it is prepared again on each of them, made the first time. `op` is an
  // address that no other op has.
  template <typename T, typename Make>
  std::shared_ptr<T> kept(const void* op, Make&& make) {
    std::shared_ptr<void>& place = kept_[op];
    if (!place) place = make();
    return std::static_pointer_cast<T>(place);
  }

  // Nothing is assigned any more.
  void reset() {
    for (ResourceVariable& variable : variables_) variable.is_assigned = false;
  }

 private:
  std::map<std::pair<std::string, std::string>, int32_t> ids_;
  std::deque<ResourceVariable> variables_;  // they stay where they are
  std::map<const void*, std::shared_ptr<void>> kept_;
};

}  // namespace subgraft
