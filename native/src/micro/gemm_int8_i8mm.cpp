// Products of 8-bit matrices with Arm's products of 2 x 8 and 8 x 2 bytes.
#include <arm_neon.h>

#include "micro/gemm_int8.h"
#include "micro/panel_neon.h"
#include "micro/unroll.h"

namespace subgraft {

const Int8Gemm* int8_gemm_i8mm();

namespace {

constexpr int64_t kQuadBytes = 4 * kInt8Channels;  // four weights of each channel of a block
constexpr int kChannelPairs = kInt8Channels / 2;

template <bool is_unsigned>
[[gnu::always_inline]] inline int32x4_t add_products(int32x4_t sums, int8x16_t x, int8x16_t w) {
  if constexpr (is_unsigned)
    return vusmmlaq_s32(sums, vreinterpretq_u8_s8(x), w);
  else
    return vmmlaq_s32(sums, x, w);
}

// Two rows of eight bytes. Of a pair that has one row only, the second is zeros.
template <int rows>
[[gnu::always_inline]] inline int8x16_t row_pair(const int8_t* from, int64_t stride, int pair) {
  const int8x8_t first = vld1_s8(from + 2 * pair * stride);
  if (2 * pair + 1 == rows) return vcombine_s8(first, vdup_n_s8(0));
  return vcombine_s8(first, vld1_s8(from + (2 * pair + 1) * stride));
}

// `rows` rows times a block. A vector holds the sums of two rows and two channels.
template <int rows, bool is_unsigned>
void multiply_tile(const Int8Product& p, const int8_t* from, const int8_t* weights, const int32_t* initial,
                   int32_t* out) {
  constexpr int kPairs = (rows + 1) / 2;
  int32x4_t sums[kPairs][kChannelPairs];
  SUBGRAFT_UNROLL
  for (int r = 0; r < kPairs; ++r) SUBGRAFT_UNROLL
  for (int c = 0; c < kChannelPairs; ++c) sums[r][c] = vdupq_n_s32(0);
  for (int64_t k = 0; k < p.depth; k += 8, from += 8, weights += 2 * kQuadBytes) {
    int8x16_t x[kPairs];
    SUBGRAFT_UNROLL
    for (int r = 0; r < kPairs; ++r) x[r] = row_pair<rows>(from, p.x_stride, r);
    SUBGRAFT_UNROLL
    for (int c = 0; c < kChannelPairs; c += 2) {
      // A quad of four channels each; together eight bytes of two channels, and of the next two.
      const int32x4_t first = vreinterpretq_s32_s8(vld1q_s8(weights + 8 * c));
      const int32x4_t second = vreinterpretq_s32_s8(vld1q_s8(weights + kQuadBytes + 8 * c));
      const int8x16_t even = vreinterpretq_s8_s32(vzip1q_s32(first, second));
      const int8x16_t odd = vreinterpretq_s8_s32(vzip2q_s32(first, second));
      SUBGRAFT_UNROLL
      for (int r = 0; r < kPairs; ++r) {
        sums[r][c] = add_products<is_unsigned>(sums[r][c], x[r], even);
        sums[r][c + 1] = add_products<is_unsigned>(sums[r][c + 1], x[r], odd);
      }
    }
  }
  SUBGRAFT_UNROLL
  for (int c = 0; c < kChannelPairs; c += 2) {
    const int32x4_t added = initial ? vld1q_s32(initial + 2 * c) : vdupq_n_s32(0);
    SUBGRAFT_UNROLL
    for (int r = 0; r < rows; ++r) {
      const int64x2_t left = vreinterpretq_s64_s32(sums[r / 2][c]), right = vreinterpretq_s64_s32(sums[r / 2][c + 1]);
      const int64x2_t row = r % 2 == 0 ? vzip1q_s64(left, right) : vzip2q_s64(left, right);
      vst1q_s32(out + r * p.sums_stride + 2 * c, vaddq_s32(added, vreinterpretq_s32_s64(row)));
    }
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
  for (; row + 6 <= p.rows; row += 6) multiply_rows<6, is_unsigned>(p, row);
  const int64_t left = p.rows - row;
  if (left == 5) multiply_rows<5, is_unsigned>(p, row);
  if (left == 4) multiply_rows<4, is_unsigned>(p, row);
  if (left == 3) multiply_rows<3, is_unsigned>(p, row);
  if (left == 2) multiply_rows<2, is_unsigned>(p, row);
  if (left == 1) multiply_rows<1, is_unsigned>(p, row);
}

constexpr int kRows = 24;
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

const Int8Gemm* int8_gemm_i8mm() { return &kGemm; }

}  // namespace subgraft
