// Frequencies of several real rows at once, one row in each lane, with the roundings of kernels/fft.h.
#pragma once

#include <cstdint>

namespace subgraft {

struct RealRows {
  int64_t length;                    // of the transform: a power of two, at least 4
  const int32_t* reversed;           // where each of length / 2 pairs of elements goes first
  const double *half_roots, *roots;  // real and imaginary parts of Fft's and RealFft's
  const float* in;
  int64_t in_stride, given;  // elements from row to row and of each row; those up to the length are zeros
  int64_t rows;              // 1 to lanes
  double* work;              // 2 * (length / 2 + 1) * lanes, 64-byte aligned
  float* out;                // rows of length / 2 + 1 complex numbers, one behind the other
};

struct RealTransform {
  int64_t lanes;
  void (*run)(const RealRows&);
};

const RealTransform* real_transform();  // null: the reference has to do

}  // namespace subgraft
