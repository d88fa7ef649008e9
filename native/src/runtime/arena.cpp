#include "runtime/arena.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <new>
#include <numeric>
#include <vector>

#include "core/errors.h"

namespace subgraft {
namespace {

constexpr size_t kGreedyBlocks = 1024;
// With more blocks alive at once, looking for gaps between them takes longer than their memory is worth.
constexpr size_t kMostAlive = 8192;

int64_t aligned(int64_t size) { return (size + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment; }

// The lowest gap of `size` bytes between placed blocks, which are sorted by offset.
int64_t first_gap(const std::vector<const ArenaBlock*>& placed, int64_t size, int64_t floor) {
  int64_t offset = floor;
  for (const ArenaBlock* other : placed) {
    if (other->offset - offset >= size) break;
    offset = std::max(offset, other->offset + aligned(other->size));
  }
  return offset;
}

void insert_by_offset(std::vector<const ArenaBlock*>& placed, const ArenaBlock* block) {
  auto place = std::upper_bound(placed.begin(), placed.end(), block,
                                [](const ArenaBlock* a, const ArenaBlock* b) { return a->offset < b->offset; });
  placed.insert(place, block);
}

int64_t place_by_size(std::span<ArenaBlock* const> blocks) {
  std::vector<const ArenaBlock*> placed, alive;
  int64_t end = 0;
  for (ArenaBlock* block : blocks) {
    alive.clear();
    for (const ArenaBlock* other : placed)
      if (other->first <= block->last && block->first <= other->last) alive.push_back(other);
    block->offset = first_gap(alive, aligned(block->size), 0);
    insert_by_offset(placed, block);
    end = std::max(end, block->offset + aligned(block->size));
  }
  return end;
}

int64_t place_by_time(std::span<ArenaBlock* const> blocks, int64_t floor) {
  std::vector<ArenaBlock*> order(blocks.begin(), blocks.end());
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->first < b->first; });
  std::vector<const ArenaBlock*> alive;                                // sorted by offset
  int64_t end = floor, crowded = std::numeric_limits<int64_t>::max();  // from `crowded` on nothing is used again
  for (ArenaBlock* block : order) {
    std::erase_if(alive, [&](const ArenaBlock* other) { return other->last < block->first; });
    block->offset = alive.size() < kMostAlive ? first_gap(alive, aligned(block->size), floor) : end;
    if (alive.size() >= kMostAlive || block->offset + aligned(block->size) > crowded) {
      crowded = std::min(crowded, end);
      block->offset = end;
    } else {
      insert_by_offset(alive, block);
    }
    end = std::max(end, block->offset + aligned(block->size));
  }
  return end;
}

}  // namespace

int64_t plan_arena(std::span<ArenaBlock> blocks) {
  std::vector<ArenaBlock*> order;
  for (ArenaBlock& block : blocks)
    if (block.size > 0) order.push_back(&block);
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->size > b->size; });
  const size_t greedy = std::min(order.size(), kGreedyBlocks);
  const int64_t floor = place_by_size(std::span(order).first(greedy));
  return place_by_time(std::span(order).subspan(greedy), floor);
}

Arena::Arena(int64_t size) : size_(size) {
  if (size > memory_limit())
    throw Unsupported(concat("this needs ", size, " bytes of memory, over the limit of ", memory_limit(),
                             "; raise SUBGRAFT_MAX_BYTES if that is intended"));
  if (size == 0) return;
  // calloc takes large blocks from the system already zeroed, so that untouched pages cost nothing.
  block_.reset(std::calloc(static_cast<size_t>(size + kArenaAlignment), 1));
  if (!block_) throw std::bad_alloc();
  data_ = reinterpret_cast<std::byte*>(aligned(reinterpret_cast<intptr_t>(block_.get())));
}

void Arena::Free::operator()(void* block) const { std::free(block); }

int64_t memory_limit() {
  if (const char* text = std::getenv("SUBGRAFT_MAX_BYTES")) {
    const int64_t limit = std::strtoll(text, nullptr, 10);
    if (limit > 0) return limit;
  }
  static const int64_t half_of_the_machine = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE) / 2;
  return half_of_the_machine;
}

}  // namespace subgraft
