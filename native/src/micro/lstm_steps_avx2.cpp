#include <cstdint>

#include "micro/requantize_avx2.h"

namespace subgraft {
namespace {

using Shorts = __m256i;
constexpr int64_t kLanes = 16;

inline Shorts all(int value) { return _mm256_set1_epi16(static_cast<int16_t>(value)); }
inline Shorts load(const int16_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
inline void store(int16_t* p, Shorts x) { _mm256_storeu_si256((__m256i*)p, x); }
inline Shorts add(Shorts a, Shorts b) { return _mm256_add_epi16(a, b); }
inline Shorts add_saturated(Shorts a, Shorts b) { return _mm256_adds_epi16(a, b); }
inline Shorts subtract(Shorts a, Shorts b) { return _mm256_sub_epi16(a, b); }
// Gemmlowp's product, but for that of twice the least number.
inline Shorts multiply(Shorts a, Shorts b) { return _mm256_mulhrs_epi16(a, b); }
inline Shorts both(Shorts a, Shorts b) { return _mm256_and_si256(a, b); }
template <int by>
inline Shorts shift_left(Shorts x) {
  return _mm256_slli_epi16(x, by);
}
template <int by>
inline Shorts shift_right(Shorts x) {
  return _mm256_srai_epi16(x, by);
}
// -1 where it is true.
inline Shorts equal(Shorts a, Shorts b) { return _mm256_cmpeq_epi16(a, b); }
inline Shorts greater(Shorts a, Shorts b) { return _mm256_cmpgt_epi16(a, b); }
inline Shorts pick(Shorts mask, Shorts a, Shorts b) { return _mm256_blendv_epi8(b, a, mask); }
// Saturated.
inline void store_bytes(int8_t* p, Shorts x) {
  _mm_storeu_si128((__m128i*)p, _mm_packs_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}

// A class of its own: Shorts and numbers of 32 bits are the same type here.
struct Ints {
  __m256i x;
};
inline Ints ints(int32_t value) { return {_mm256_set1_epi32(value)}; }
inline Ints load(const int32_t* p) { return {_mm256_loadu_si256((const __m256i*)p)}; }
inline Ints plus(Ints a, Ints b) { return {_mm256_add_epi32(a.x, b.x)}; }
inline Ints minus(Ints a, Ints b) { return {_mm256_sub_epi32(a.x, b.x)}; }
inline Ints times(Ints a, Ints b) { return {_mm256_mullo_epi32(a.x, b.x)}; }
inline Ints min(Ints a, Ints b) { return {_mm256_min_epi32(a.x, b.x)}; }
inline Ints max(Ints a, Ints b) { return {_mm256_max_epi32(a.x, b.x)}; }
inline Ints both(Ints a, Ints b) { return {_mm256_and_si256(a.x, b.x)}; }
inline Ints greater(Ints a, Ints b) { return {_mm256_cmpgt_epi32(a.x, b.x)}; }
inline Ints shift_right(Ints a, int by) { return {_mm256_sra_epi32(a.x, _mm_cvtsi32_si128(by))}; }
inline Ints low_half(Ints a) { return {_mm256_srai_epi32(_mm256_slli_epi32(a.x, 16), 16)}; }

using Rescale = Rescale256;
inline Rescale make_rescale(int32_t multiplier, int32_t shift) { return make_rescale256(multiplier, shift); }
inline Ints rescale(Ints a, const Rescale& scale) { return {rescale256(a.x, scale)}; }

struct Halves {
  Ints first, second;
};
inline Halves widened(Shorts x) {
  return {{_mm256_cvtepi16_epi32(_mm256_castsi256_si128(x))}, {_mm256_cvtepi16_epi32(_mm256_extracti128_si256(x, 1))}};
}
inline Shorts saturated(Halves x) { return _mm256_permute4x64_epi64(_mm256_packs_epi32(x.first.x, x.second.x), 0xd8); }

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/lstm_steps_body.h"

namespace subgraft {

const LstmSteps* lstm_steps_avx2();

const LstmSteps* lstm_steps_avx2() { return &kSteps; }

}  // namespace subgraft
