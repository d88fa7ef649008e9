// Values derived from a model's constants and plans of programs, made once and shared by every interpreter of the
// model.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>

namespace subgraft {

class SharedWeights {
 public:
  using Make = std::function<std::shared_ptr<const void>()>;

  // The value of this kind for a tensor; `make` runs the first time, and again once nobody holds the value any more.
  std::shared_ptr<const void> get(int subgraph, int tensor, std::string_view kind, const Make& make) {
    std::lock_guard lock(mutex_);
    std::weak_ptr<const void>& entry = entries_[{subgraph, tensor, std::string(kind)}];
    std::shared_ptr<const void> value = entry.lock();
    if (!value) entry = value = make();
    return value;
  }

  // What somebody offered and somebody still holds; null where there is none.
  std::shared_ptr<const void> plan(const std::string& key) {
    std::lock_guard lock(mutex_);
    const auto found = plans_.find(key);
    return found != plans_.end() ? found->second.lock() : nullptr;
  }
  void offer_plan(const std::string& key, const std::shared_ptr<const void>& plan) {
    std::lock_guard lock(mutex_);
    std::erase_if(plans_, [](const auto& entry) { return entry.second.expired(); });
    plans_[key] = plan;
  }

 private:
  std::recursive_mutex mutex_;  // what makes one value may ask for another
  std::map<std::tuple<int, int, std::string>, std::weak_ptr<const void>> entries_;
  std::map<std::string, std::weak_ptr<const void>> plans_;
};

}  // namespace subgraft
