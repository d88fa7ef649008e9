// Windows with holes that slide over a tensor, each reduced to one element.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "runtime/kernel.h"

namespace subgraft {

// How windows lie in the input. All in elements.
struct Windows {
  using Dims = std::array<int64_t, Shape::kMaxRank>;

  int rank = 0;
  Dims outputs{};           // windows along each dimension
  Dims steps{};             // from one window to the next
  Dims sizes{}, strides{};  // of what one window sees
  int64_t count = 0;
};

// ReduceWindowFunction of the schema.
enum class Reduction { add = 1, multiply, minimum, maximum, all, any };

// What becomes of `shape`, as output 0. Sizes, strides and dilations have one number for each dimension.
Windows plan_windows(Preparation& p, const Shape& shape, std::span<const int64_t> sizes,
                     std::span<const int64_t> strides, std::span<const int64_t> dilations);

// Reduces the windows of input 0, each with the value of input 1 in front, into output 0. slot: the scratch memory
// that holds what the windows see, if not input 0 itself; -1 otherwise.
Compute reduce_windows(const Preparation& p, const Windows& windows, Reduction reduction, int slot = -1);

}  // namespace subgraft
