// Winograd's convolution for filters of 3 x 3 with stride 1: a window of 6 x 6 inputs and the filter are transformed to
// 36 numbers each, whose products, summed over the input channels, are transformed to 4 x 4 outputs: a quarter of the
// multiplications (A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", F(4x4, 3x3)).
//
// The polynomials are those that go through 0, +-3/4, +-3/2 and infinity: with them the error is about twice that of
// sums in the natural order; with the usual 0, +-1, +-2 it is ten times that.
#pragma once

#include <cstdint>

namespace subgraft {

inline constexpr int kWinogradIn = 6, kWinogradOut = 4, kWinogradProducts = kWinogradIn * kWinogradIn;
inline constexpr float kWinogradNear = 0.75f, kWinogradFar = 1.5f;  // the points beside 0

// One window: number i of channel c goes to to[i * step + c].
struct WinogradWindow {
  const float* pixels[kWinogradProducts];  // row by row: the channels of each; zeros for those outside the image
  int64_t channels;
  float* to;
  int64_t step;
};

// One block of outputs from sums[i * step + c]; row y and column x of them go to
// out[y * row_step + x * pixel_step + c].
struct WinogradBlock {
  const float* sums;
  int64_t step, channels;
  const float* bias;  // null: none
  float min, max;     // NaN stays NaN
  float* out;
  int64_t row_step, pixel_step;
  int rows, columns;  // inside the result, 1 to 4
};

struct Winograd {
  void (*transform)(const WinogradWindow&);
  void (*finish)(const WinogradBlock&);
};

// Of the best instruction set that is enabled; null where there is none.
const Winograd* winograd();

}  // namespace subgraft
