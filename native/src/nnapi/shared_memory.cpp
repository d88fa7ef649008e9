#include "nnapi/shared_memory.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/errors.h"

namespace subgraft::nnapi {
namespace {

// A descriptor of new memory, or -1. By Android's own call where there is one (since Android 8): drivers in other
// processes may map what it gives on every version. Elsewhere by memfd_create(2).
int shared_descriptor(std::size_t bytes) {
  constexpr const char* kName = "subgraft-nnapi";
  constexpr unsigned kCloseOnExec = 1;
  using Create = int (*)(const char*, std::size_t);
  static void* const android = dlopen("libandroid.so", RTLD_NOW | RTLD_LOCAL);
  static const auto create = android ? reinterpret_cast<Create>(dlsym(android, "ASharedMemory_create")) : nullptr;
  if (create) return create(kName, bytes);
#if defined(SYS_memfd_create)
  const int made = static_cast<int>(syscall(SYS_memfd_create, kName, kCloseOnExec));
  if (made >= 0) {
    if (ftruncate(made, static_cast<off_t>(bytes)) == 0) return made;
    close(made);
  }
#endif
  return -1;
}

}  // namespace

std::unique_ptr<SharedMemory> SharedMemory::make(std::shared_ptr<Library> library, std::size_t bytes) {
  if (!library->memory_from_fd || !library->memory_free) return nullptr;
  const int descriptor = shared_descriptor(bytes);
  if (descriptor < 0) return nullptr;
  // The library duplicates the descriptor, and the mapping does not need it.
  struct Closed {
    int descriptor;
    ~Closed() { close(descriptor); }
  } const closed{descriptor};
  std::unique_ptr<SharedMemory> made(new SharedMemory);
  void* const mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (mapped == MAP_FAILED) return nullptr;
  made->library_ = std::move(library);
  made->data_ = static_cast<std::byte*>(mapped);
  made->bytes_ = bytes;
  made->memory_ = nnapi::make<abi::Memory>(made->library_->memory_from_fd, bytes, PROT_READ | PROT_WRITE, descriptor,
                                           std::size_t{0});
  return made;
}

SharedMemory::~SharedMemory() {
  if (memory_ != nullptr) library_->memory_free(memory_);
  if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace subgraft::nnapi
