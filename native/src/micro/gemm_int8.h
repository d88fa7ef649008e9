// Products of 8-bit matrices: rows of activations times packed weights. One kernel for each instruction set.
#pragma once

#include <cstdint>

namespace subgraft {

constexpr int kInt8Channels = 16;  // rows of the weights, "channels", that are packed together: one block
constexpr int kInt8Depth = 64;     // the depth of packed weights is padded to a multiple with zeros

// sums[r * sums_stride + c] = initial[c] + the sum over k of x[r * x_stride + k] * weights[c][k], modulo 2^32.
struct Int8Product {
  const void* x;     // of every row, whole multiples of kInt8Depth bytes are readable; those beyond depth do not count
  int64_t x_stride;  // bytes
  int64_t rows;
  int64_t depth;
  const int8_t* weights;  // of the first block (PackedInt8::block)
  int64_t blocks;         // channels: blocks * kInt8Channels
  // One for each channel of these blocks; null: zeros, which are faster with tiles: a bias is better added when sums
  // are finished.
  const int32_t* initial;
  int32_t* sums;        // 64-byte aligned, as is every row
  int64_t sums_stride;  // numbers; a multiple of kInt8Channels
};

// Where the bytes under windows lie: `y_runs` times `x_runs` runs of `bytes` neighbours for each of so many positions,
// which become the rows of a panel.
struct Int8Runs {
  const uint8_t* from;  // the first run of the first position
  int64_t positions, step;
  int64_t y_runs, y_step, x_runs, x_step, bytes;
  uint8_t flip;  // every byte is xored with this
  uint8_t* to;
  int64_t to_stride;
};

// The order of a packed block: [depth / 4][16 channels][4], so that four neighbours of one channel make one number of
// 32 bits: what dot products of four bytes take, and a tile of 16 x 64 bytes.
struct Int8Gemm {
  int rows;                                       // of a product that fills the registers: what to hand over at once
  int least_rows;                                 // products of fewer rows read and write as many as this
  int begin_rows;                                 // unsigned products of fewer rows do without begin() and end()
  void (*multiply_unsigned)(const Int8Product&);  // x is uint8_t
  // x is int8_t. Null where the set has no such products: x ^ 0x80 is handed over as unsigned then, and `initial` has
  // 128 times the sum of the channel's weights less (weight_sums of PackedInt8).
  void (*multiply_signed)(const Int8Product&);
  void (*copy_runs)(const Int8Runs&);
  // sums[r] = factor * the sum of the first `depth` bytes, unsigned, of row r.
  void (*sum_rows)(const uint8_t* x, int64_t x_stride, int64_t rows, int64_t depth, int32_t factor, int32_t* sums);
  // Around the products of one piece of work on one thread; null where there is nothing to do. Not to be nested.
  void (*begin)();
  void (*end)();
};

// The best that is enabled; null: the reference kernels have to do.
const Int8Gemm* int8_gemm();

}  // namespace subgraft
