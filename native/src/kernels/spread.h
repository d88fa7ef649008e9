// A tensor put into a larger one: room before, after and between its elements, or some of them cut off.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/movement.h"

namespace subgraft {

// What is not covered by the copy is to be filled first.
struct Spread {
  Shape output;
  StridedCopy copy;
};

// low, high: elements in front and behind, negative ones are cut off. steps: from one element to the next, at least 1.
// One number of each for every dimension.
Spread plan_spread(const Preparation& p, const Shape& shape, std::span<const int64_t> low,
                   std::span<const int64_t> high, std::span<const int64_t> steps, int64_t element_bytes);

// Writes one element `count` times.
void fill_elements(std::byte* out, const std::byte* element, int64_t count, int64_t element_bytes);

}  // namespace subgraft
