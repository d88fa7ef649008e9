#include <immintrin.h>

#include <cstdint>

namespace subgraft {
namespace {

constexpr int kSquareOf1Byte = 16, kSquareOf2Bytes = 8, kSquareOf4Bytes = 8;

__m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
void store16(void* p, __m128i x) { _mm_storeu_si128(static_cast<__m128i*>(p), x); }

// A square of 16 x 16.
void square(const uint8_t* in, int64_t in_stride, uint8_t* out, int64_t out_stride) {
  __m128i a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = load16(in + i * in_stride);
  // Every step puts rows that are 8 apart side by side; after four steps rows are columns.
  for (int step = 0; step < 4; ++step) {
    for (int i = 0; i < 8; ++i) {
      b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
      b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
    }
    for (int i = 0; i < 16; ++i) a[i] = b[i];
  }
  for (int i = 0; i < 16; ++i) store16(out + i * out_stride, a[i]);
}

// A square of 8 x 8.
void square(const uint16_t* in, int64_t in_stride, uint16_t* out, int64_t out_stride) {
  __m128i a[8], b[8];
  for (int i = 0; i < 8; ++i) a[i] = load16(in + i * in_stride);
  for (int step = 0; step < 3; ++step) {
    for (int i = 0; i < 4; ++i) {
      b[2 * i] = _mm_unpacklo_epi16(a[i], a[i + 4]);
      b[2 * i + 1] = _mm_unpackhi_epi16(a[i], a[i + 4]);
    }
    for (int i = 0; i < 8; ++i) a[i] = b[i];
  }
  for (int i = 0; i < 8; ++i) store16(out + i * out_stride, a[i]);
}

// A square of 8 x 8.
void square(const uint32_t* in, int64_t in_stride, uint32_t* out, int64_t out_stride) {
  __m256i a[8], b[8];
  for (int i = 0; i < 8; ++i) a[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i * in_stride));
  for (int i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    a[i] = _mm256_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm256_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm256_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm256_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    const __m256i low = _mm256_permute2x128_si256(a[i], a[i + 4], 0x20);
    const __m256i high = _mm256_permute2x128_si256(a[i], a[i + 4], 0x31);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i * out_stride), low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + (i + 4) * out_stride), high);
  }
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/transpose_body.h"

namespace subgraft {

const Transposes* transposes_avx2() { return &kTransposes; }

}  // namespace subgraft
