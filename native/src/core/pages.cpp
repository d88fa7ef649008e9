#include "core/pages.h"

#include <sys/mman.h>

#include <new>

namespace subgraft {
namespace {

constexpr int64_t kLarge = 64 << 10;  // from here on a call of the system costs less than the faults
constexpr std::align_val_t kAlignment{kPagesAlignment};

}  // namespace

std::shared_ptr<std::byte> make_pages(int64_t size) {
  const auto bytes = static_cast<size_t>(size);
  if (size < kLarge) {
    auto* block = static_cast<std::byte*>(::operator new(bytes, kAlignment));
    return {block, [](std::byte* data) { ::operator delete(data, kAlignment); }};
  }
  constexpr int kKind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
  void* block = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kKind, -1, 0);
  if (block == MAP_FAILED) throw std::bad_alloc();
  return {static_cast<std::byte*>(block), [bytes](std::byte* data) { ::munmap(data, bytes); }};
}

}  // namespace subgraft
