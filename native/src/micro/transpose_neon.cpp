#include <arm_neon.h>

#include <cstdint>

namespace subgraft {
namespace {

constexpr int kSquareOf1Byte = 16, kSquareOf2Bytes = 8, kSquareOf4Bytes = 4;

// A square of 16 x 16.
void square(const uint8_t* in, int64_t in_stride, uint8_t* out, int64_t out_stride) {
  uint8x16_t a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = vld1q_u8(in + i * in_stride);
  // Every step puts rows that are 8 apart side by side; after four steps rows are columns.
  for (int step = 0; step < 4; ++step) {
    for (int i = 0; i < 8; ++i) {
      b[2 * i] = vzip1q_u8(a[i], a[i + 8]);
      b[2 * i + 1] = vzip2q_u8(a[i], a[i + 8]);
    }
    for (int i = 0; i < 16; ++i) a[i] = b[i];
  }
  for (int i = 0; i < 16; ++i) vst1q_u8(out + i * out_stride, a[i]);
}

// A square of 8 x 8.
void square(const uint16_t* in, int64_t in_stride, uint16_t* out, int64_t out_stride) {
  uint16x8_t a[8], b[8];
  for (int i = 0; i < 8; ++i) a[i] = vld1q_u16(in + i * in_stride);
  for (int step = 0; step < 3; ++step) {
    for (int i = 0; i < 4; ++i) {
      b[2 * i] = vzip1q_u16(a[i], a[i + 4]);
      b[2 * i + 1] = vzip2q_u16(a[i], a[i + 4]);
    }
    for (int i = 0; i < 8; ++i) a[i] = b[i];
  }
  for (int i = 0; i < 8; ++i) vst1q_u16(out + i * out_stride, a[i]);
}

// A square of 4 x 4.
void square(const uint32_t* in, int64_t in_stride, uint32_t* out, int64_t out_stride) {
  uint32x4_t a[4], b[4];
  for (int i = 0; i < 4; ++i) a[i] = vld1q_u32(in + i * in_stride);
  for (int step = 0; step < 2; ++step) {
    for (int i = 0; i < 2; ++i) {
      b[2 * i] = vzip1q_u32(a[i], a[i + 2]);
      b[2 * i + 1] = vzip2q_u32(a[i], a[i + 2]);
    }
    for (int i = 0; i < 4; ++i) a[i] = b[i];
  }
  for (int i = 0; i < 4; ++i) vst1q_u32(out + i * out_stride, a[i]);
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/transpose_body.h"

namespace subgraft {

const Transposes* transposes_neon();

const Transposes* transposes_neon() { return &kTransposes; }

}  // namespace subgraft
