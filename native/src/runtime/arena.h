// Where tensors lie in one block of memory: blocks that live at the same time never overlap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace subgraft {

inline constexpr int64_t kArenaAlignment = 64;

struct ArenaBlock {
  int64_t size = 0;    // bytes
  int first = 0;       // the step that writes it
  int last = 0;        // the last step that reads it, inclusive
  int64_t offset = 0;  // the answer
};

// Sets every offset and returns the bytes needed. The large blocks are placed greedily, by size, size times lifetime
// or lifetime, whichever needs least: within a few per cent of the optimum on real models. The many small ones of a
// huge graph are placed by first fit in order of time, because the greedy way is quadratic.
int64_t plan_arena(std::span<ArenaBlock> blocks);

// The largest sum of the sizes of blocks that live at once: no plan needs less.
int64_t most_alive(std::span<const ArenaBlock> blocks);

// Zeroed memory, aligned to kArenaAlignment. Throws Unsupported above memory_limit().
class Arena {
 public:
  Arena() = default;
  explicit Arena(int64_t size);

  std::byte* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(void* block) const;
  };
  std::unique_ptr<void, Free> block_;
  std::byte* data_ = nullptr;  // inside the block, aligned
  int64_t size_ = 0;
};

// Bytes one program may take: SUBGRAFT_MAX_BYTES, or else half of the machine's memory. A small file can ask for
// terabytes.
int64_t memory_limit();

}  // namespace subgraft
