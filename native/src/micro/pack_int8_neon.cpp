#include <arm_neon.h>

#include <cstring>

#include "micro/gemm_int8.h"
#include "micro/pack_int8.h"

namespace subgraft {

const PackInt8* pack_int8_neon();

namespace {

constexpr int64_t kQuad = 4;                           // neighbours along depth, and channels of one vector
constexpr int64_t kQuadBytes = kInt8Channels * kQuad;  // of one block
constexpr int64_t kBytes = 16;                         // of a vector

int64_t padded(int64_t depth) { return (depth + kInt8Depth - 1) / kInt8Depth * kInt8Depth; }

// The first `count` bytes, xored with those of `flip`, and zeros.
int8x16_t load_first(const int8_t* from, int64_t count, int8x16_t flip) {
  if (count >= kBytes) return veorq_s8(vld1q_s8(from), flip);
  int8_t part[kBytes];
  vst1q_s8(part, flip);
  std::memcpy(part, from, static_cast<size_t>(count));
  return veorq_s8(vld1q_s8(part), flip);
}
int8x16_t load_first(const int8_t* from, int64_t count) { return load_first(from, count, vdupq_n_s8(0)); }

// Sums, and what the four bytes of each lane add up to.
int32x4_t add_quads(int32x4_t sums, int8x16_t x) { return vpadalq_s16(sums, vpaddlq_s8(x)); }

// The same of their magnitudes.
int32x4_t add_magnitudes(int32x4_t sums, int8x16_t x) {
  const uint16x8_t pairs = vpaddlq_u8(vreinterpretq_u8_s8(vabsq_s8(x)));
  return vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(sums), pairs));
}

// Numbers of 32 bits: rows become columns.
void transpose4(int32x4_t (&x)[4]) {
  const int32x4_t even_low = vzip1q_s32(x[0], x[2]), even_high = vzip2q_s32(x[0], x[2]);
  const int32x4_t odd_low = vzip1q_s32(x[1], x[3]), odd_high = vzip2q_s32(x[1], x[3]);
  x[0] = vzip1q_s32(even_low, odd_low);
  x[1] = vzip2q_s32(even_low, odd_low);
  x[2] = vzip1q_s32(even_high, odd_high);
  x[3] = vzip2q_s32(even_high, odd_high);
}

template <bool kMagnitudes>
void pack(const int8_t* from, int8x16_t flip, int64_t channels, int64_t depth, int8_t* to, int32_t* sums,
          int32_t* magnitudes) {
  const int64_t size = padded(depth), whole = (channels + kInt8Channels - 1) / kInt8Channels * kInt8Channels;
  for (int64_t channel = 0; channel < whole; channel += kQuad) {
    int8_t* out = to + channel / kInt8Channels * kInt8Channels * size + channel % kInt8Channels * kQuad;
    int32x4_t sum = vdupq_n_s32(0), magnitude = sum;
    for (int64_t k = 0; k < size; k += kBytes, out += kBytes / kQuad * kQuadBytes) {
      int32x4_t x[kQuad];
      for (int64_t c = 0; c < kQuad; ++c) {
        const bool is_there = channel + c < channels && k < depth;
        x[c] = is_there ? vreinterpretq_s32_s8(load_first(from + (channel + c) * depth + k, depth - k, flip))
                        : vdupq_n_s32(0);
      }
      transpose4(x);
      for (int64_t i = 0; i < kQuad; ++i) {
        const int8x16_t quads = vreinterpretq_s8_s32(x[i]);
        vst1q_s8(out + i * kQuadBytes, quads);
        sum = add_quads(sum, quads);
        if (kMagnitudes) magnitude = add_magnitudes(magnitude, quads);
      }
    }
    vst1q_s32(sums + channel, sum);
    if (kMagnitudes) vst1q_s32(magnitudes + channel, magnitude);
  }
}

void pack_rows(const int8_t* from, int64_t channels, int64_t depth, int8_t* to, int32_t* sums) {
  pack<false>(from, vdupq_n_s8(0), channels, depth, to, sums, nullptr);
}

void pack_weights(const std::byte* from, uint8_t flip, int64_t channels, int64_t depth, int8_t* to, int32_t* sums,
                  int32_t* magnitudes) {
  const int8x16_t flips = vreinterpretq_s8_u8(vdupq_n_u8(flip));
  pack<true>(reinterpret_cast<const int8_t*>(from), flips, channels, depth, to, sums, magnitudes);
}

void pack_columns(const int8_t* from, int64_t channels, int64_t depth, int8_t* to, int32_t* sums) {
  const int64_t size = padded(depth);
  for (int64_t channel = 0; channel < channels; channel += kInt8Channels) {
    int32x4_t sum[4];
    for (int32x4_t& lanes : sum) lanes = vdupq_n_s32(0);
    for (int64_t k = 0; k < size; k += kQuad, to += kQuadBytes) {
      int8x16_t row[kQuad];
      for (int64_t i = 0; i < kQuad; ++i)
        row[i] = k + i < depth ? load_first(from + (k + i) * channels + channel, channels - channel) : vdupq_n_s8(0);
      const int16x8_t low01 = vreinterpretq_s16_s8(vzip1q_s8(row[0], row[1]));
      const int16x8_t high01 = vreinterpretq_s16_s8(vzip2q_s8(row[0], row[1]));
      const int16x8_t low23 = vreinterpretq_s16_s8(vzip1q_s8(row[2], row[3]));
      const int16x8_t high23 = vreinterpretq_s16_s8(vzip2q_s8(row[2], row[3]));
      const int16x8_t quads[] = {vzip1q_s16(low01, low23), vzip2q_s16(low01, low23), vzip1q_s16(high01, high23),
                                 vzip2q_s16(high01, high23)};
      for (int i = 0; i < 4; ++i) {
        const int8x16_t bytes = vreinterpretq_s8_s16(quads[i]);
        vst1q_s8(to + i * kBytes, bytes);
        sum[i] = add_quads(sum[i], bytes);
      }
    }
    for (int i = 0; i < 4; ++i) vst1q_s32(sums + channel + 4 * i, sum[i]);
  }
}

constexpr PackInt8 kPackInt8{pack_rows, pack_columns, pack_weights};

}  // namespace

const PackInt8* pack_int8_neon() { return &kPackInt8; }

}  // namespace subgraft
