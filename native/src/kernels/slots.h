// Parts of an op's scratch memory that threads take while they compute.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace subgraft {

// A thread gets the part that it had in the last run, where it can: it is in that thread's cache. As many threads as
// there are parts may have one at a time; others wait.
class Slots {
 public:
  static constexpr int kMost = 64;

  // Parts for so many pieces of work.
  static int count_for(int pieces) { return std::min(pieces, kMost); }

  explicit Slots(int count) : count_(static_cast<unsigned>(count)) {}

  int take() {
    static std::atomic<unsigned> threads{0};
    thread_local const unsigned number = threads++;
    for (unsigned i = number;; ++i) {
      const uint64_t bit = uint64_t{1} << i % count_;
      if ((taken_.fetch_or(bit, std::memory_order_acquire) & bit) == 0) return static_cast<int>(i % count_);
    }
  }
  void give(int slot) { taken_.fetch_and(~(uint64_t{1} << slot), std::memory_order_release); }

 private:
  unsigned count_;
  std::atomic<uint64_t> taken_{0};
};

}  // namespace subgraft
