// Products of 8-bit matrices with NEON's dot products of four bytes.
#include <arm_neon.h>

#include "micro/gemm_int8.h"
#include "micro/panel_neon.h"
#include "micro/unroll.h"

namespace subgraft {

const Int8Gemm* int8_gemm_dotprod();

namespace {

constexpr int64_t kQuadBytes = 4 * kInt8Channels;  // four weights of each channel of a block
constexpr int kVectors = kInt8Channels / 4;        // of weights, each a quad of four channels

template <int rows>
using Sums = int32x4_t[rows][kVectors];

// Quad `quad` of each of the rows' four.
template <int rows, int quad, bool is_unsigned>
[[gnu::always_inline]] inline void add_quad(Sums<rows>& sums, int32x4_t (&weight_sums)[kVectors],
                                            const int8x16_t (&x)[rows], const int8_t* weights) {
  SUBGRAFT_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const int8x16_t w = vld1q_s8(weights + quad * kQuadBytes + 16 * v);
    if (is_unsigned) weight_sums[v] = vdotq_s32(weight_sums[v], w, vdupq_n_s8(1));
    SUBGRAFT_UNROLL
    for (int r = 0; r < rows; ++r) sums[r][v] = vdotq_laneq_s32(sums[r][v], w, x[r], quad);
  }
}

// `rows` rows times a block. Where x is unsigned, products are of x - 128, and the sum of the weights is taken 128
// times.
template <int rows, bool is_unsigned>
void multiply_tile(const Int8Product& p, const int8_t* from, const int8_t* weights, const int32_t* initial,
                   int32_t* out) {
  Sums<rows> sums;
  int32x4_t weight_sums[kVectors];
  SUBGRAFT_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    weight_sums[v] = vdupq_n_s32(0);
    SUBGRAFT_UNROLL
    for (int r = 0; r < rows; ++r) sums[r][v] = vdupq_n_s32(0);
  }
  const int8x16_t flips = vdupq_n_s8(is_unsigned ? -128 : 0);
  for (int64_t k = 0; k < p.depth; k += 16, from += 16, weights += 4 * kQuadBytes) {
    int8x16_t x[rows];
    SUBGRAFT_UNROLL
    for (int r = 0; r < rows; ++r) x[r] = veorq_s8(vld1q_s8(from + r * p.x_stride), flips);
    add_quad<rows, 0, is_unsigned>(sums, weight_sums, x, weights);
    add_quad<rows, 1, is_unsigned>(sums, weight_sums, x, weights);
    add_quad<rows, 2, is_unsigned>(sums, weight_sums, x, weights);
    add_quad<rows, 3, is_unsigned>(sums, weight_sums, x, weights);
  }
  SUBGRAFT_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    int32x4_t added = initial ? vld1q_s32(initial + 4 * v) : vdupq_n_s32(0);
    if (is_unsigned) added = vaddq_s32(added, vshlq_n_s32(weight_sums[v], 7));
    SUBGRAFT_UNROLL
    for (int r = 0; r < rows; ++r) vst1q_s32(out + r * p.sums_stride + 4 * v, vaddq_s32(added, sums[r][v]));
  }
}

template <int rows, bool is_unsigned>
void multiply_rows(const Int8Product& p, int64_t row) {
  const int8_t* x = static_cast<const int8_t*>(p.x) + row * p.x_stride;
  const int64_t block_bytes = kInt8Channels * ((p.depth + kInt8Depth - 1) / kInt8Depth * kInt8Depth);
  for (int64_t block = 0; block < p.blocks; ++block)
    multiply_tile<rows, is_unsigned>(p, x, p.weights + block * block_bytes,
                                     p.initial ? p.initial + block * kInt8Channels : nullptr,
                                     p.sums + row * p.sums_stride + block * kInt8Channels);
}

template <bool is_unsigned>
void multiply(const Int8Product& p) {
  int64_t row = 0;
  for (; row + 4 <= p.rows; row += 4) multiply_rows<4, is_unsigned>(p, row);
  const int64_t left = p.rows - row;
  if (left == 3) multiply_rows<3, is_unsigned>(p, row);
  if (left == 2) multiply_rows<2, is_unsigned>(p, row);
  if (left == 1) multiply_rows<1, is_unsigned>(p, row);
}

constexpr int kRows = 16;
constexpr Int8Gemm kGemm{.rows = kRows,
                         .least_rows = 1,
                         .begin_rows = 1,
                         .multiply_unsigned = multiply<true>,
                         .multiply_signed = multiply<false>,
                         .copy_runs = copy_runs,
                         .sum_rows = sum_rows,
                         .begin = nullptr,
                         .end = nullptr};

}  // namespace

const Int8Gemm* int8_gemm_dotprod() { return &kGemm; }

}  // namespace subgraft
