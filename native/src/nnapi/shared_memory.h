// Memory that this process and a driver's share.
#pragma once

#include <cstddef>
#include <memory>

#include "nnapi/library.h"

namespace subgraft::nnapi {

class SharedMemory {
 public:
  // Null where the system has no shared memory to give: buffers of this process have to do. Throws Error where the
  // library refuses it.
  static std::unique_ptr<SharedMemory> make(std::shared_ptr<Library> library, std::size_t bytes);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  std::byte* data() const { return data_; }
  const abi::Memory* get() const { return memory_; }

 private:
  SharedMemory() = default;

  std::shared_ptr<Library> library_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  abi::Memory* memory_ = nullptr;
};

}  // namespace subgraft::nnapi
