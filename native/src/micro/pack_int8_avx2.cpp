#include <immintrin.h>

#include <cstring>

#include "micro/gemm_int8.h"
#include "micro/pack_int8.h"

namespace subgraft {
namespace {

constexpr int64_t kQuad = 4;                           // neighbours along depth
constexpr int64_t kQuadBytes = kInt8Channels * kQuad;  // of one block
constexpr int kHalf = 8;                               // channels

__m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

// What four bytes of each lane add up to.
__m256i sum_of_quads(__m256i x) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), x), _mm256_set1_epi16(1));
}

int64_t padded(int64_t depth) { return (depth + kInt8Depth - 1) / kInt8Depth * kInt8Depth; }

// Numbers of 32 bits: rows become columns.
void transpose8(__m256i (&x)[8]) {
  __m256i a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_epi32(x[i], x[i + 1]);
    a[i + 1] = _mm256_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    x[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
    x[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
  }
}

// 32 bytes of up to eight channels, xored with those of `flip`; zeros behind them.
void load_rows(const int8_t* from, int64_t depth, int64_t channels, int64_t bytes, __m256i flip, __m256i (&x)[8]) {
  for (int64_t c = 0; c < kHalf; ++c) {
    x[c] = _mm256_setzero_si256();
    if (c >= channels || bytes <= 0) continue;
    if (bytes >= 32) {
      x[c] = _mm256_xor_si256(load32(from + c * depth), flip);
      continue;
    }
    alignas(32) int8_t part[32];
    _mm256_store_si256(reinterpret_cast<__m256i*>(part), flip);
    std::memcpy(part, from + c * depth, static_cast<size_t>(bytes));
    x[c] = _mm256_xor_si256(load32(part), flip);
  }
}

// What four magnitudes of each lane add up to.
__m256i magnitude_of_quads(__m256i x) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_set1_epi8(1)), _mm256_set1_epi16(1));
}

template <bool kMagnitudes>
void pack(const int8_t* from, __m256i flip, int64_t channels, int64_t depth, int8_t* to, int32_t* sums,
          int32_t* magnitudes) {
  const int64_t size = padded(depth);
  for (int64_t channel = 0; channel < channels; channel += kInt8Channels) {
    for (int64_t half = 0; half < kInt8Channels; half += kHalf) {
      const int8_t* first = from + (channel + half) * depth;
      int8_t* out = to + half * kQuad;
      __m256i sum = _mm256_setzero_si256(), magnitude = sum;
      for (int64_t k = 0; k < size; k += 32, out += 8 * kQuadBytes) {
        __m256i x[8];
        load_rows(first + k, depth, channels - channel - half, depth - k, flip, x);
        transpose8(x);
        for (int i = 0; i < 8; ++i) {
          _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i * kQuadBytes), x[i]);
          sum = _mm256_add_epi32(sum, sum_of_quads(x[i]));
          if (kMagnitudes) magnitude = _mm256_add_epi32(magnitude, magnitude_of_quads(x[i]));
        }
      }
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + channel + half), sum);
      if (kMagnitudes) _mm256_storeu_si256(reinterpret_cast<__m256i*>(magnitudes + channel + half), magnitude);
    }
    to += size * kInt8Channels;
  }
}

void pack_rows(const int8_t* from, int64_t channels, int64_t depth, int8_t* to, int32_t* sums) {
  pack<false>(from, _mm256_setzero_si256(), channels, depth, to, sums, nullptr);
}

void pack_weights(const std::byte* from, uint8_t flip, int64_t channels, int64_t depth, int8_t* to, int32_t* sums,
                  int32_t* magnitudes) {
  const __m256i flips = _mm256_set1_epi8(static_cast<char>(flip));
  pack<true>(reinterpret_cast<const int8_t*>(from), flips, channels, depth, to, sums, magnitudes);
}

// Up to sixteen bytes of a row.
__m128i load_columns(const int8_t* from, int64_t count) {
  if (count >= kInt8Channels) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  alignas(16) int8_t part[kInt8Channels] = {};
  for (int64_t i = 0; i < count; ++i) part[i] = from[i];
  return _mm_load_si128(reinterpret_cast<const __m128i*>(part));
}

void pack_columns(const int8_t* from, int64_t channels, int64_t depth, int8_t* to, int32_t* sums) {
  const int64_t size = padded(depth);
  for (int64_t channel = 0; channel < channels; channel += kInt8Channels) {
    __m256i low_sum = _mm256_setzero_si256(), high_sum = low_sum;
    for (int64_t k = 0; k < size; k += kQuad, to += kQuadBytes) {
      __m128i row[kQuad];
      for (int64_t i = 0; i < kQuad; ++i)
        row[i] =
            k + i < depth ? load_columns(from + (k + i) * channels + channel, channels - channel) : _mm_setzero_si128();
      const __m128i low01 = _mm_unpacklo_epi8(row[0], row[1]), high01 = _mm_unpackhi_epi8(row[0], row[1]);
      const __m128i low23 = _mm_unpacklo_epi8(row[2], row[3]), high23 = _mm_unpackhi_epi8(row[2], row[3]);
      const __m256i low = _mm256_set_m128i(_mm_unpackhi_epi16(low01, low23), _mm_unpacklo_epi16(low01, low23));
      const __m256i high = _mm256_set_m128i(_mm_unpackhi_epi16(high01, high23), _mm_unpacklo_epi16(high01, high23));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), low);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32), high);
      low_sum = _mm256_add_epi32(low_sum, sum_of_quads(low));
      high_sum = _mm256_add_epi32(high_sum, sum_of_quads(high));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + channel), low_sum);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + channel + kHalf), high_sum);
  }
}

constexpr PackInt8 kPackInt8{pack_rows, pack_columns, pack_weights};

}  // namespace

const PackInt8* pack_int8_avx2() { return &kPackInt8; }

}  // namespace subgraft
