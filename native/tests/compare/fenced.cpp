#include "fenced.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace subgraft::compare {
namespace {

constexpr std::byte kPattern{0xa5};
constexpr size_t kGuarded = 256;  // bytes before the memory that are looked at

}  // namespace

Fenced::Fenced(size_t size) : size_(size) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t body = (size + kGuarded + page - 1) / page * page;
  mapped_ = body + page;
  void* const mapped = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) std::abort();
  block_ = static_cast<std::byte*>(mapped);
  mprotect(block_ + body, page, PROT_NONE);
  data_ = block_ + body - size;
}

Fenced::~Fenced() { munmap(block_, mapped_); }

void Fenced::clear() { std::memset(data_ - kGuarded, static_cast<int>(kPattern), size_ + kGuarded); }

bool Fenced::is_intact() const {
  return std::all_of(data_ - kGuarded, data_, [](std::byte byte) { return byte == kPattern; });
}

}  // namespace subgraft::compare
