// A model compiled for a device.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nnapi/model.h"

namespace subgraft::nnapi {

struct CompileOptions {
  std::optional<std::int32_t> preference;  // PreferenceCode
  std::optional<int> priority;             // PriorityCode
  std::uint64_t timeout_ns = 0;            // 0: none
  std::string cache_folder;                // "": no cache
  std::array<std::uint8_t, abi::kTokenBytes> token{};
};

class Compilation {
 public:
  // device: null where the library lets nobody choose (feature levels 1 and 2). What a level lacks is left out:
  // priorities and timeouts before 4, caches before 3. Throws Error.
  Compilation(std::shared_ptr<const Model> model, abi::Device* device, const CompileOptions& options);
  ~Compilation();
  Compilation(const Compilation&) = delete;
  Compilation& operator=(const Compilation&) = delete;

  const Library& library() const { return *model_->library(); }
  abi::Compilation* get() const { return compilation_; }

 private:
  void set(abi::Device* device, const CompileOptions& options);

  std::shared_ptr<const Model> model_;
  abi::Compilation* compilation_ = nullptr;
};

}  // namespace subgraft::nnapi
