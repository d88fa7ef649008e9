// Products of 8-bit matrices with NEON as every aarch64 has it: products of 16 bits, added in pairs to 32 bits.
#include <arm_neon.h>

#include "micro/gemm_int8.h"
#include "micro/panel_neon.h"
#include "micro/unroll.h"

namespace subgraft {

const Int8Gemm* int8_gemm_neon();

namespace {

constexpr int64_t kQuadBytes = 4 * kInt8Channels;  // four weights of each channel of a block
constexpr int kPart = 8;                           // channels at once: half a block
constexpr int kVectors = kPart / 4;                // of weights, each a quad of four channels

[[gnu::always_inline]] inline int8x16_t four_times(const char* at, int8x16_t flips) {
  int32_t quad;
  __builtin_memcpy(&quad, at, sizeof quad);
  return veorq_s8(vreinterpretq_s8_s32(vdupq_n_s32(quad)), flips);
}

// `rows` rows times eight channels. A sum is two lanes, of even and odd pairs of products, until the end. Where x is
// unsigned, products are of x - 128, and the sum of the weights is taken 128 times.
template <int rows, bool is_unsigned>
void multiply_tile(const Int8Product& p, const char* x, const int8_t* weights, const int32_t* initial, int32_t* out) {
  int32x4_t sums[rows][kVectors][2], weight_sums[kVectors][2];
  SUBGRAFT_UNROLL
  for (int v = 0; v < kVectors; ++v) SUBGRAFT_UNROLL
  for (int half = 0; half < 2; ++half) {
    weight_sums[v][half] = vdupq_n_s32(0);
    SUBGRAFT_UNROLL
    for (int r = 0; r < rows; ++r) sums[r][v][half] = vdupq_n_s32(0);
  }
  const int8x16_t flips = vdupq_n_s8(is_unsigned ? -128 : 0);
  for (int64_t quads = (p.depth + 3) / 4; quads > 0; --quads, weights += kQuadBytes, x += 4) {
    int8x16_t w[kVectors];
    SUBGRAFT_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      w[v] = vld1q_s8(weights + 16 * v);
      if (!is_unsigned) continue;
      weight_sums[v][0] = vpadalq_s16(weight_sums[v][0], vmovl_s8(vget_low_s8(w[v])));
      weight_sums[v][1] = vpadalq_s16(weight_sums[v][1], vmovl_high_s8(w[v]));
    }
    SUBGRAFT_UNROLL
    for (int r = 0; r < rows; ++r) {
      const int8x16_t quad = four_times(x + r * p.x_stride, flips);
      SUBGRAFT_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v][0] = vpadalq_s16(sums[r][v][0], vmull_s8(vget_low_s8(quad), vget_low_s8(w[v])));
        sums[r][v][1] = vpadalq_s16(sums[r][v][1], vmull_high_s8(quad, w[v]));
      }
    }
  }
  SUBGRAFT_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    int32x4_t added = initial ? vld1q_s32(initial + 4 * v) : vdupq_n_s32(0);
    if (is_unsigned) added = vaddq_s32(added, vshlq_n_s32(vpaddq_s32(weight_sums[v][0], weight_sums[v][1]), 7));
    SUBGRAFT_UNROLL
    for (int r = 0; r < rows; ++r)
      vst1q_s32(out + r * p.sums_stride + 4 * v, vaddq_s32(added, vpaddq_s32(sums[r][v][0], sums[r][v][1])));
  }
}

template <int rows, bool is_unsigned>
void multiply_rows(const Int8Product& p, int64_t row) {
  const char* x = static_cast<const char*>(p.x) + row * p.x_stride;
  const int64_t block_bytes = kInt8Channels * ((p.depth + kInt8Depth - 1) / kInt8Depth * kInt8Depth);
  for (int64_t block = 0; block < p.blocks; ++block)
    for (int64_t part = 0; part < kInt8Channels; part += kPart) {
      const int64_t channel = block * kInt8Channels + part;
      multiply_tile<rows, is_unsigned>(p, x, p.weights + block * block_bytes + 4 * part,
                                       p.initial ? p.initial + channel : nullptr,
                                       p.sums + row * p.sums_stride + channel);
    }
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

const Int8Gemm* int8_gemm_neon() { return &kGemm; }

}  // namespace subgraft
