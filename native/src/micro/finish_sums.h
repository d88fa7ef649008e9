// What becomes of a block of integer sums: bias, multiplier of the channel, zero point, clamp; or real numbers. Bit for
// bit as kernels/requantize.h does it.
#pragma once

#include <cstdint>

namespace subgraft {

// Sums as gemm_int8.h makes them.
struct SumBlock {
  const int32_t* sums;
  int64_t stride;  // numbers
  int64_t rows, channels;
  const int32_t* row_terms;  // added to all sums of a row; null: none
};

// Sums to bytes in single precision, for sums so small that QuickScales::fit() says so. With y = sum * multiplier, the
// exact result is floor(y + 1/2 + offset), where the offset is what rounding twice adds: half a unit of the first
// rounding, away from zero. Numbers are kept in units of 2^-kQuickBits; those so near to a whole one that single
// precision may err (kQuickDoubt units) are computed exactly instead.
constexpr int kQuickBits = 14;
constexpr int kQuickDoubt = 2;
struct QuickScale {
  const float* scales;   // multipliers in those units; null: not to be used
  const float* offsets;  // of positive sums, in those units; null: zeros
  bool signs;  // offsets of negative sums are negative; false: of no account, the clamp takes such results away
};

// Arrays of one number for each channel are readable up to a multiple of 16 channels, and point at the block's first.
struct FixedScale {     // Requantize
  const int32_t* bias;  // null: none, or in the sums already
  const int32_t* multipliers;
  const int32_t* shifts;  // Multiplier::shift
  int32_t zero_point, min, max;
  QuickScale quick{};
};
struct RealScale {  // RequantizeReal
  const int32_t* bias;
  const double* scales;
  int32_t zero_point, min, max;
  QuickScale quick{};
};
struct FloatScale {  // Dequantize, or DequantizeTwice where `twice`
  const float* scales;
  const float* row_scales;   // of each row: what its input was quantized with
  const int32_t* row_zeros;  // null: none; else row_zeros[r] * weight_sums[c] is taken from the sums
  const int32_t* weight_sums;
  const float* bias;  // null: zeros
  float min, max;
  bool twice;
};

struct FinishSums {
  void (*fixed_to_int8)(const SumBlock&, const FixedScale&, int8_t* out, int64_t out_stride);
  void (*fixed_to_uint8)(const SumBlock&, const FixedScale&, uint8_t* out, int64_t out_stride);
  void (*fixed_to_int16)(const SumBlock&, const FixedScale&, int16_t* out, int64_t out_stride);
  void (*real_to_int8)(const SumBlock&, const RealScale&, int8_t* out, int64_t out_stride);
  void (*real_to_uint8)(const SumBlock&, const RealScale&, uint8_t* out, int64_t out_stride);
  void (*real_to_int16)(const SumBlock&, const RealScale&, int16_t* out, int64_t out_stride);
  void (*to_float)(const SumBlock&, const FloatScale&, float* out, int64_t out_stride);
};

// The best that is enabled; not null where int8_gemm() is not null.
const FinishSums* finish_sums();

}  // namespace subgraft
