// Replaces malloc and its kin by ones that count.
#include "allocations.h"

#include <dlfcn.h>

#include <atomic>
#include <cstddef>

namespace {

std::atomic<bool> counting{false};
std::atomic<long> allocations{0};

void count() {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
}

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// operator new ends in malloc, so these see every allocation of the process.
extern "C" void* malloc(size_t size) {
  static const auto real = next<void* (*)(size_t)>("malloc");
  count();
  return real(size);
}

extern "C" void* realloc(void* block, size_t size) {
  static const auto real = next<void* (*)(void*, size_t)>("realloc");
  count();
  return real(block, size);
}

extern "C" void* aligned_alloc(size_t alignment, size_t size) {
  static const auto real = next<void* (*)(size_t, size_t)>("aligned_alloc");
  count();
  return real(alignment, size);
}

extern "C" int posix_memalign(void** block, size_t alignment, size_t size) {
  static const auto real = next<int (*)(void**, size_t, size_t)>("posix_memalign");
  count();
  return real(block, alignment, size);
}

// dlsym itself calls calloc, so this one asks glibc by its own name instead of the dynamic linker.
extern "C" void* __libc_calloc(size_t count, size_t size);

extern "C" void* calloc(size_t elements, size_t size) {
  count();
  return __libc_calloc(elements, size);
}

void count_allocations(bool on) {
  if (on) allocations = 0;
  counting = on;
}

long counted_allocations() { return allocations; }
