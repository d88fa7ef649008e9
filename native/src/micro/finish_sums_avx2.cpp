// Sums to outputs with AVX2.
#include <immintrin.h>

#include "micro/finish_sums.h"
#include "micro/requantize_avx2.h"

namespace subgraft {

const FinishSums* finish_sums_avx2();

namespace {

constexpr int kLanes = 8;

[[gnu::always_inline]] inline __m256i load(const int32_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// The first `count` of eight numbers that fit.
template <typename Out>
[[gnu::always_inline]] inline void store(Out* to, int64_t count, __m256i x) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(x, x), _MM_SHUFFLE(3, 1, 2, 0));
  __m128i packed = _mm256_castsi256_si128(words);
  if constexpr (sizeof(Out) == 1)
    packed = static_cast<Out>(-1) < 0 ? _mm_packs_epi16(packed, packed) : _mm_packus_epi16(packed, packed);
  alignas(16) Out numbers[16 / sizeof(Out)];
  if (count >= kLanes && sizeof(Out) == 1) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), packed);
  } else if (count >= kLanes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), packed);
  } else {
    _mm_store_si128(reinterpret_cast<__m128i*>(numbers), packed);
    for (int64_t i = 0; i < count; ++i) to[i] = numbers[i];
  }
}

// work(row, sums) for all rows of the eight channels from `channel`.
template <typename Work>
[[gnu::always_inline]] inline void for_rows(const SumBlock& b, int64_t channel, const int32_t* bias, const Work& work) {
  const __m256i added = bias ? load(bias + channel) : _mm256_setzero_si256();
  for (int64_t row = 0; row < b.rows; ++row) {
    __m256i x = _mm256_add_epi32(load(b.sums + row * b.stride + channel), added);
    if (b.row_terms) x = _mm256_add_epi32(x, _mm256_set1_epi32(b.row_terms[row]));
    work(row, x);
  }
}

template <typename Out>
void finish_fixed(const SumBlock& b, const FixedScale& s, Out* out, int64_t out_stride) {
  const __m256i zero_point = _mm256_set1_epi32(s.zero_point);
  const __m256i low = _mm256_set1_epi32(s.min), high = _mm256_set1_epi32(s.max);
  for (int64_t channel = 0; channel < b.channels; channel += kLanes) {
    const int64_t count = b.channels - channel;
    const Rescale256 c = make_rescale256(load(s.multipliers + channel), load(s.shifts + channel));
    for_rows(b, channel, s.bias, [&](int64_t row, __m256i x) {
      x = _mm256_add_epi32(rescale256(x, c), zero_point);
      store(out + row * out_stride + channel, count, _mm256_min_epi32(_mm256_max_epi32(x, low), high));
    });
  }
}

// Nearest, ties away from zero.
[[gnu::always_inline]] inline __m256d round_away(__m256d x) {
  const __m256d sign = _mm256_and_pd(x, _mm256_set1_pd(-0.0));
  const __m256d whole = _mm256_round_pd(x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  const __m256d rest = _mm256_andnot_pd(_mm256_set1_pd(-0.0), _mm256_sub_pd(x, whole));
  const __m256d far = _mm256_cmp_pd(rest, _mm256_set1_pd(0.5), _CMP_GE_OQ);
  return _mm256_add_pd(whole, _mm256_and_pd(far, _mm256_or_pd(sign, _mm256_set1_pd(1.0))));
}

template <typename Out>
void finish_real(const SumBlock& b, const RealScale& s, Out* out, int64_t out_stride) {
  const __m256i zero_point = _mm256_set1_epi32(s.zero_point);
  const __m256d low = _mm256_set1_pd(static_cast<double>(s.min) - s.zero_point);
  const __m256d high = _mm256_set1_pd(static_cast<double>(s.max) - s.zero_point);
  for (int64_t channel = 0; channel < b.channels; channel += kLanes) {
    const int64_t count = b.channels - channel;
    const __m256d first = _mm256_loadu_pd(s.scales + channel), second = _mm256_loadu_pd(s.scales + channel + 4);
    const auto scaled = [&](__m128i x, __m256d scale) {
      const __m256d real = round_away(_mm256_mul_pd(_mm256_cvtepi32_pd(x), scale));
      return _mm256_cvttpd_epi32(_mm256_max_pd(_mm256_min_pd(real, high), low));
    };
    for_rows(b, channel, s.bias, [&](int64_t row, __m256i x) {
      const __m128i begin = scaled(_mm256_castsi256_si128(x), first);
      const __m128i end = scaled(_mm256_extracti128_si256(x, 1), second);
      const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(begin), end, 1);
      store(out + row * out_stride + channel, count, _mm256_add_epi32(both, zero_point));
    });
  }
}

void finish_float(const SumBlock& b, const FloatScale& s, float* out, int64_t out_stride) {
  const __m256 low = _mm256_set1_ps(s.min), high = _mm256_set1_ps(s.max);
  for (int64_t channel = 0; channel < b.channels; channel += kLanes) {
    const int64_t count = b.channels - channel;
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i wanted =
        _mm256_cmpgt_epi32(_mm256_set1_epi32(count < kLanes ? static_cast<int>(count) : kLanes), lanes);
    const __m256 scale = _mm256_loadu_ps(s.scales + channel);
    const __m256 bias = s.bias ? _mm256_loadu_ps(s.bias + channel) : _mm256_setzero_ps();
    const __m256i weight_sums = s.row_zeros ? load(s.weight_sums + channel) : _mm256_setzero_si256();
    for_rows(b, channel, nullptr, [&](int64_t row, __m256i x) {
      if (s.row_zeros) {
        const __m256i zero = _mm256_set1_epi32(s.row_zeros[row]);
        x = _mm256_sub_epi32(x, _mm256_mullo_epi32(weight_sums, zero));
      }
      const __m256 row_scale = _mm256_set1_ps(s.row_scales[row]), sum = _mm256_cvtepi32_ps(x);
      const __m256 real = s.twice ? _mm256_mul_ps(_mm256_mul_ps(sum, scale), row_scale)
                                  : _mm256_mul_ps(sum, _mm256_mul_ps(row_scale, scale));
      const __m256 biased = _mm256_add_ps(real, bias);
      const __m256 clamped = _mm256_min_ps(high, _mm256_max_ps(low, biased));
      _mm256_maskstore_ps(out + row * out_stride + channel, wanted, clamped);
    });
  }
}

constexpr FinishSums kFinish{finish_fixed<int8_t>, finish_fixed<uint8_t>, finish_fixed<int16_t>, finish_real<int8_t>,
                             finish_real<uint8_t>, finish_real<int16_t>,  finish_float};

}  // namespace

const FinishSums* finish_sums_avx2() { return &kFinish; }

}  // namespace subgraft
