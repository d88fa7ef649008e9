// Products of 16-bit activations with 8-bit or 16-bit weights, and what becomes of their sums.
#pragma once

#include <cstdint>

namespace subgraft {

constexpr int kInt16Channels = 16;  // rows of the weights, "channels", that are packed together: one block
constexpr int kInt16Rows = 24;      // rows of one product, at most
constexpr int64_t kExact32 = 510;   // sums of so many products of 16 by 8 bits fit into 32 bits

// sums[r * stride + c] = the sum over runs and k of x[run * rows + r][k] * weights[c][run][k].
struct Int16Product {
  const int16_t* const* x;  // where each row's part of each run begins
  int64_t rows;             // 1 to kInt16Rows
  int64_t runs;
  int64_t run;          // neighbours in one run; even
  const void* weights;  // of the first block: [runs][run / 2][16 channels][2]
  int64_t blocks;
  void* sums;      // int32_t or int64_t, 64-byte aligned, as is every row
  int64_t stride;  // numbers; a multiple of kInt16Channels
};

// Sums modulo 2^32 or in 64 bits of weights of int8_t, or in 64 bits of those of int16_t, which are one run.
struct Int16Gemm {
  void (*sums32)(const Int16Product&);
  void (*sums64)(const Int16Product&);
  void (*sums64_of_int16)(const Int16Product&);
};

// Rows of sums, to be scaled.
struct WideSums {
  const void* sums;  // int32_t or int64_t
  bool is_wide;
  int64_t stride;  // numbers
  int64_t rows, channels;
  const int64_t* bias;  // null: none
};

// Arrays of one number for each channel are readable up to a multiple of kInt16Channels.
struct WideScale {             // rescale_wide of core/fixed_point.h
  const int64_t* multipliers;  // 16 bits of each
  const int64_t* shifts;       // to the right, 1 to 46
  int32_t min, max;
};
struct WideRealScale {  // RequantizeReal of kernels/requantize.h, with the zero point 0
  const double* scales;
  int32_t min, max;
};

struct FinishWide {
  void (*fixed)(const WideSums&, const WideScale&, int16_t* out, int64_t out_stride);
  void (*real)(const WideSums&, const WideRealScale&, int16_t* out, int64_t out_stride);
};

// The best that are enabled; null: the reference kernels have to do. Both or none.
const Int16Gemm* int16_gemm();
const FinishWide* finish_wide();

}  // namespace subgraft
