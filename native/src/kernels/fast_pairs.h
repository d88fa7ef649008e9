// Arithmetic of two inputs by the functions of micro/elementwise.h: which rows they get is decided here, once.
#pragma once

#include <vector>

#include "kernels/broadcast.h"
#include "micro/elementwise.h"
#include "runtime/kernel.h"

namespace subgraft {

// How a function of pairs goes over two inputs of any shapes.
class PairLoop {
 public:
  struct Bytes {
    int a, b, out;  // of one element
  };

  // grain: outputs that are worth a thread of their own.
  PairLoop(Preparation& p, const Broadcast<2>& plan, const PairFunctions& functions, Bytes bytes, int64_t grain);

  void operator()(const Invocation& v, const void* parameters) const {
    if (is_small_)
      function_(parameters, v.in<std::byte>(0), v.in<std::byte>(1), v.out<std::byte>(0), rows_);
    else
      run_large(v, parameters);
  }

 private:
  void run_large(const Invocation& v, const void* parameters) const;
  void run_row(const Invocation& v, const void* parameters) const;
  void run_rows(const Invocation& v, const void* parameters, int64_t begin, int64_t end) const;
  void run_tiles(const Invocation& v, const void* parameters) const;

  PairFunction function_;
  PairRows rows_;
  bool repeats_[2];  // in a row
  Bytes bytes_;
  int64_t grain_;
  bool is_small_;  // one call does it
  // Short rows that one input repeats are written down several times, so that rows get longer: -1, or the input.
  int tiled_ = -1, tile_slot_ = 0;
  int64_t tile_ = 0;  // elements
  int64_t all_rows_ = 0, count_ = 0;
  struct Outer {
    int64_t dim, a_step, b_step;
  };
  std::vector<Outer> outer_;  // dimensions around the rows, from the outermost one; mostly none
};

// The kernel of an op. The types are those of the elements.
template <typename A, typename B, typename Out, typename Parameters>
Compute fast_pairs(Preparation& p, const Broadcast<2>& plan, const PairFunctions& functions, int64_t grain,
                   const Parameters& parameters) {
  const PairLoop loop(p, plan, functions, {sizeof(A), sizeof(B), sizeof(Out)}, grain);
  return [loop, parameters](const Invocation& v) { loop(v, &parameters); };
}

// What is worth a thread: some 64 KB of memory, or 1 to 2 us.
inline constexpr int64_t kFloatPairsGrain = 1 << 13, kQuantizedPairsGrain = 1 << 13;

}  // namespace subgraft
