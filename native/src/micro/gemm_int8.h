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
  const int8_t* weights;   // of the first block (PackedInt8::block)
  int64_t blocks;          // channels: blocks * kInt8Channels
  const int32_t* initial;  // one for each channel of these blocks; null: zeros
  int32_t* sums;           // 64-byte aligned, as is every row
  int64_t sums_stride;     // numbers; a multiple of kInt8Channels
};

// Bytes that lie together and are to lie at `to` of a panel.
struct Int8Piece {
  const uint8_t* from;
  int32_t to, bytes;
};

// The order of a packed block: [depth / 4][16 channels][4], so that four neighbours of one channel make one number of
// 32 bits: what dot products of four bytes take, and a tile of 16 x 64 bytes.
struct Int8Gemm {
  int rows;                                       // of a product that fills the registers: what to hand over at once
  void (*multiply_unsigned)(const Int8Product&);  // x is uint8_t
  // x is int8_t. Null where the set has no such products: x ^ 0x80 is handed over as unsigned then, and `initial` has
  // 128 times the sum of the channel's weights less (weight_sums of PackedInt8).
  void (*multiply_signed)(const Int8Product&);
  // Copies pieces to a panel, xor `flip`. Pieces are in rising order of `to`: up to 63 bytes behind each are
  // overwritten.
  void (*copy_pieces)(const Int8Piece* pieces, int64_t count, uint8_t flip, uint8_t* panel);
  // sums[r] = factor * the sum of the first `depth` bytes, unsigned, of row r.
  void (*sum_rows)(const uint8_t* x, int64_t x_stride, int64_t rows, int64_t depth, int32_t factor, int32_t* sums);
  // Around the products of one piece of work on one thread; null where there is nothing to do. Not to be nested.
  void (*begin)();
  void (*end)();
};

// The best that is enabled; null: the reference kernels have to do.
const Int8Gemm* int8_gemm();

}  // namespace subgraft
