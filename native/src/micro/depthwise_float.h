// DEPTHWISE_CONV_2D of float32 on vectors.
#pragma once

#include <cstdint>

namespace subgraft {

inline constexpr int kDepthwiseZeroColumns = 12;  // that a tile of outputs spans

// A layer; numbers of channels are the output's. Taps outside the image are left out of the sums.
struct FloatDepthwise {
  int32_t batches = 0, in_height = 0, in_width = 0, channels_in = 0;
  int32_t out_height = 0, out_width = 0, channels = 0, multiplier = 1;
  int32_t filter_height = 0, filter_width = 0;
  int64_t stride_y = 1, stride_x = 1, dilation_y = 1, dilation_x = 1, before_y = 0, before_x = 0;
  float min = 0, max = 0;
};

struct FloatDepthwiseCall {
  const FloatDepthwise* layer;
  const float* in;
  const float* weights;  // [filter_height][filter_width][channels]
  const float* bias;     // of each channel; null: none
  const float* zeros;    // kDepthwiseZeroColumns * channels_in zeros
  float* out;
};

struct FloatDepthwiseKernel {
  // Into how many tasks a layer divides.
  int64_t (*tasks)(const FloatDepthwise& layer);
  void (*run)(const FloatDepthwiseCall& call, int64_t begin, int64_t end);
};

const FloatDepthwiseKernel* float_depthwise(int32_t channels);  // null: the reference has to do

}  // namespace subgraft
