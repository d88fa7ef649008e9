#include "runtime/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <limits>
#include <new>
#include <utility>
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

// In the order given, each into the lowest gap.
int64_t place_greedily(std::span<ArenaBlock* const> blocks) {
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

template <typename Size>
int64_t most_alive_of(std::span<const ArenaBlock> blocks, Size size) {
  std::vector<std::pair<int64_t, int64_t>> changes;  // when, and by how many bytes
  for (const ArenaBlock& block : blocks) {
    changes.emplace_back(block.first, size(block.size));
    changes.emplace_back(int64_t{block.last} + 1, -size(block.size));
  }
  std::sort(changes.begin(), changes.end());  // what goes comes before what is new
  int64_t alive = 0, most = 0;
  for (const auto& change : changes) most = std::max(most, alive += change.second);
  return most;
}

// Places the blocks in several orders and keeps what needs least. `least` bytes cannot be done better.
int64_t place_best(std::vector<ArenaBlock*> blocks, int64_t least) {
  int end = 0;  // the last step that writes one
  for (const ArenaBlock* block : blocks) end = std::max(end, block->first);
  const auto lifetime = [end](const ArenaBlock* block) {
    return int64_t{std::max(std::min(block->last, end), block->first)} - block->first + 1;
  };
  const std::function<double(const ArenaBlock*)> orders[] = {
      [](const ArenaBlock* block) { return static_cast<double>(block->size); },
      [&](const ArenaBlock* block) { return static_cast<double>(block->size) * static_cast<double>(lifetime(block)); },
      [&](const ArenaBlock* block) { return static_cast<double>(lifetime(block)); },
  };
  int64_t best = std::numeric_limits<int64_t>::max();
  std::vector<int64_t> offsets(blocks.size());
  const std::vector<ArenaBlock*> by_size = blocks;
  for (const auto& weight : orders) {
    blocks = by_size;
    std::stable_sort(blocks.begin(), blocks.end(), [&](auto* a, auto* b) { return weight(a) > weight(b); });
    const int64_t needed = place_greedily(blocks);
    if (needed < best) {
      best = needed;
      for (size_t i = 0; i < offsets.size(); ++i) offsets[i] = by_size[i]->offset;
    }
    if (best <= least) break;
  }
  for (size_t i = 0; i < offsets.size(); ++i) by_size[i]->offset = offsets[i];
  return best;
}

// Nearly all of an arena is written in the first run: its pages come in one call, which is faster than a fault for
// each. Larger ones may be meant for more than is ever used. A system that does not know the call lets them fault.
void bring_in([[maybe_unused]] std::byte* data, [[maybe_unused]] int64_t size) {
#if defined(MADV_POPULATE_WRITE)
  constexpr int64_t kWorthACall = 64 << 10, kMost = 64 << 20;
  if (size < kWorthACall || size > kMost) return;
  static const intptr_t page = ::sysconf(_SC_PAGESIZE);
  const intptr_t first = (reinterpret_cast<intptr_t>(data) + page - 1) / page * page;
  const intptr_t last = (reinterpret_cast<intptr_t>(data) + size) / page * page;
  if (first < last)
    (void)::madvise(reinterpret_cast<void*>(first), static_cast<size_t>(last - first), MADV_POPULATE_WRITE);
#endif
}

}  // namespace

int64_t plan_arena(std::span<ArenaBlock> blocks) {
  std::vector<ArenaBlock*> order;
  for (ArenaBlock& block : blocks)
    if (block.size > 0) order.push_back(&block);
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->size > b->size; });
  const auto greedy = static_cast<std::ptrdiff_t>(std::min(order.size(), kGreedyBlocks));
  const std::vector<ArenaBlock*> large(order.begin(), order.begin() + greedy);
  const int64_t floor = large.empty() ? 0 : place_best(large, most_alive_of(blocks, aligned));
  return place_by_time(std::span(order).subspan(static_cast<size_t>(greedy)), floor);
}

int64_t most_alive(std::span<const ArenaBlock> blocks) {
  return most_alive_of(blocks, [](int64_t size) { return size; });
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
  bring_in(data_, size);
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
