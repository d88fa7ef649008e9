// What the files of FULLY_CONNECTED share.
#pragma once

#include <cstdint>

#include "runtime/kernel.h"

namespace subgraft {

// x [rows, depth] times the transpose of the weights [units, depth].
struct FullyConnectedSizes {
  int64_t rows = 0, units = 0, depth = 0;
  Shape output;  // the rows as the input has them, or as one dimension
};

// float32 activations, weights with a scale for each block along depth.
Compute fully_connected_blockwise(Preparation& p, const FullyConnectedSizes& s);

// uint8 activations to int16, weights in the order SHUFFLED4x16INT8. Output 1 gets the activations in that order.
Compute fully_connected_shuffled(Preparation& p, const FullyConnectedSizes& s);

}  // namespace subgraft
