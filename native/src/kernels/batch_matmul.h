// What the files of BATCH_MATMUL share.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "runtime/kernel.h"

namespace subgraft {

// The result is `batches` matrices of rows x units, each a sum over `depth`.
struct MatmulSizes {
  int64_t elements = 0;  // of the result
  int64_t rows = 0, units = 0, depth = 0, batches = 1;
  int64_t left_matrices = 1, right_matrices = 1;
  bool left_transposed = false, right_transposed = false;  // in the file: [depth, rows], [units, depth]

  int batch_dims = 0;
  std::array<int64_t, Shape::kMaxRank> dims{}, left_steps{}, right_steps{};  // 0 steps where a side is broadcast

  // Which matrices of the two sides make matrix `batch` of the result.
  std::pair<int64_t, int64_t> matrices(int64_t batch) const {
    int64_t left = 0, right = 0;
    for (int i = batch_dims - 1; i >= 0; --i) {
      const int64_t at = batch % dims[i];
      batch /= dims[i];
      left += at * left_steps[i];
      right += at * right_steps[i];
    }
    return {left, right};
  }
};

}  // namespace subgraft
