// Where the largest or smallest value of each row is.
#pragma once

#include <cstdint>

namespace subgraft {

// The first of the best ones of each row of `size` neighbours, size > 0. out: int32_t, or int64_t where `wide`.
struct FindBest {
  // Of bytes as their bits count when xored with `flip`: the smallest.
  void (*bytes)(const uint8_t* in, int64_t rows, int64_t size, uint8_t flip, void* out, bool wide);
};

const FindBest* find_best_kernels();  // null: the reference has to do

}  // namespace subgraft
