#include "micro/vector_avx512.h"
//
#include "micro/elementwise_table.h"

namespace subgraft {
namespace {

// A byte's high half picks one of 16 tables of 16: bytes meant for other tables are moved over 127, which gives 0.
void look_up_shuffled(const uint8_t* table, const uint8_t* in, uint8_t* out, int64_t n) {
  __m512i part[16];
  for (int t = 0; t < 16; ++t)
    part[t] = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * t)));
  for (int64_t i = 0; i < n; i += 64) {
    const __mmask64 present = n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1;
    const __m512i x = _mm512_maskz_loadu_epi8(present, in + i);
    __m512i y = _mm512_setzero_si512();
    for (int t = 0; t < 16; ++t) {
      const __m512i index =
          _mm512_adds_epu8(_mm512_xor_si512(x, _mm512_set1_epi8(static_cast<char>(16 * t))), _mm512_set1_epi8(0x70));
      y = _mm512_or_si512(y, _mm512_shuffle_epi8(part[t], index));
    }
    _mm512_mask_storeu_epi8(out + i, present, y);
  }
}

// With byte permutations of two registers (VBMI), which processors with AVX-512 have since 2018.
__attribute__((target("avx512vbmi"))) void look_up_permuted(const uint8_t* table, const uint8_t* in, uint8_t* out,
                                                            int64_t n) {
  const __m512i a = _mm512_loadu_si512(table), b = _mm512_loadu_si512(table + 64);
  const __m512i c = _mm512_loadu_si512(table + 128), d = _mm512_loadu_si512(table + 192);
  for (int64_t i = 0; i < n; i += 64) {
    const __mmask64 present = n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1;
    const __m512i x = _mm512_maskz_loadu_epi8(present, in + i);
    const __m512i low = _mm512_permutex2var_epi8(a, x, b), high = _mm512_permutex2var_epi8(c, x, d);
    _mm512_mask_storeu_epi8(out + i, present, _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high));
  }
}

void look_up(const void* table, const void* in, void* out, int64_t n) {
  look_up_shuffled(static_cast<const uint8_t*>(table), static_cast<const uint8_t*>(in), static_cast<uint8_t*>(out), n);
}

void look_up_with_vbmi(const void* table, const void* in, void* out, int64_t n) {
  look_up_permuted(static_cast<const uint8_t*>(table), static_cast<const uint8_t*>(in), static_cast<uint8_t*>(out), n);
}

void widen_half(const void*, const void* in, void* out, int64_t n) {
  const uint16_t* x = static_cast<const uint16_t*>(in);
  float* y = static_cast<float*>(out);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    _mm512_storeu_ps(y + i, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i))));
  if (i < n) _mm512_mask_storeu_ps(y + i, lanes(n - i), _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes(n - i), x + i)));
}

constexpr Elementwise kTable = elementwise_table(look_up, widen_half);
constexpr Elementwise kTableWithVbmi = elementwise_table(look_up_with_vbmi, widen_half);

}  // namespace

const Elementwise* elementwise_avx512() { return &kTable; }

const Elementwise* elementwise_avx512vnni() { return __builtin_cpu_supports("avx512vbmi") ? &kTableWithVbmi : &kTable; }

}  // namespace subgraft
