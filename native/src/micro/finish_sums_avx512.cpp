// Sums to outputs with AVX-512.
#include <immintrin.h>

#include "micro/finish_bytes_avx512.h"
#include "micro/finish_sums.h"
#include "micro/requantize_avx512.h"

namespace subgraft {

const FinishSums* finish_sums_avx512();

namespace {

constexpr int kLanes = 16;

[[gnu::always_inline]] inline __mmask16 lanes_of(int64_t channels) {
  return channels >= kLanes ? 0xffff : static_cast<__mmask16>((1u << channels) - 1);
}

[[gnu::always_inline]] inline void store(int8_t* to, __mmask16 mask, __m512i x) {
  _mm512_mask_cvtepi32_storeu_epi8(to, mask, x);
}
[[gnu::always_inline]] inline void store(uint8_t* to, __mmask16 mask, __m512i x) {
  _mm512_mask_cvtepi32_storeu_epi8(to, mask, x);
}
[[gnu::always_inline]] inline void store(int16_t* to, __mmask16 mask, __m512i x) {
  _mm512_mask_cvtepi32_storeu_epi16(to, mask, x);
}

[[gnu::always_inline]] inline __m512i load_or_zero(const int32_t* from, int64_t at) {
  return from ? _mm512_loadu_si512(from + at) : _mm512_setzero_si512();
}

// work(row, sums) for all rows of the 16 channels from `channel`.
template <typename Work>
[[gnu::always_inline]] inline void for_rows(const SumBlock& b, int64_t channel, const int32_t* bias, const Work& work) {
  const __m512i added = load_or_zero(bias, channel);
  for (int64_t row = 0; row < b.rows; ++row) {
    __m512i x = _mm512_add_epi32(_mm512_loadu_si512(b.sums + row * b.stride + channel), added);
    if (b.row_terms) x = _mm512_add_epi32(x, _mm512_set1_epi32(b.row_terms[row]));
    work(row, x);
  }
}

template <typename Out>
void exactly_fixed(const SumBlock& b, const FixedScale& s, Out* out, int64_t out_stride) {
  const __m512i zero_point = _mm512_set1_epi32(s.zero_point);
  const __m512i low = _mm512_set1_epi32(s.min), high = _mm512_set1_epi32(s.max);
  for (int64_t channel = 0; channel < b.channels; channel += kLanes) {
    const __mmask16 mask = lanes_of(b.channels - channel);
    const Rescale512 c =
        make_rescale512(_mm512_loadu_si512(s.multipliers + channel), _mm512_loadu_si512(s.shifts + channel));
    const auto finish = [&](int64_t row, __m512i scaled) {
      const __m512i x = _mm512_add_epi32(scaled, zero_point);
      store(out + row * out_stride + channel, mask, _mm512_min_epi32(_mm512_max_epi32(x, low), high));
    };
    if (_mm512_test_epi32_mask(c.left, c.left))
      for_rows(b, channel, s.bias, [&](int64_t row, __m512i x) { finish(row, rescale512(x, c)); });
    else
      for_rows(b, channel, s.bias, [&](int64_t row, __m512i x) { finish(row, rescale512_right(x, c)); });
  }
}

// Nearest, ties away from zero.
[[gnu::always_inline]] inline __m512d round_away(__m512d x) {
  const __m512d whole = _mm512_roundscale_pd(x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  const __mmask8 far = _mm512_cmp_pd_mask(_mm512_abs_pd(_mm512_sub_pd(x, whole)), _mm512_set1_pd(0.5), _CMP_GE_OQ);
  const __m512d sign = _mm512_and_pd(x, _mm512_set1_pd(-0.0));
  return _mm512_mask_add_pd(whole, far, whole, _mm512_or_pd(sign, _mm512_set1_pd(1.0)));
}

template <typename Out>
void exactly_real(const SumBlock& b, const RealScale& s, Out* out, int64_t out_stride) {
  const __m512i zero_point = _mm512_set1_epi32(s.zero_point);
  const __m512d low = _mm512_set1_pd(static_cast<double>(s.min) - s.zero_point);
  const __m512d high = _mm512_set1_pd(static_cast<double>(s.max) - s.zero_point);
  for (int64_t channel = 0; channel < b.channels; channel += kLanes) {
    const __mmask16 mask = lanes_of(b.channels - channel);
    const __m512d first = _mm512_loadu_pd(s.scales + channel), second = _mm512_loadu_pd(s.scales + channel + 8);
    const auto scaled = [&](__m256i x, __m512d scale) {
      const __m512d real = round_away(_mm512_mul_pd(_mm512_cvtepi32_pd(x), scale));
      return _mm512_cvttpd_epi32(_mm512_max_pd(_mm512_min_pd(real, high), low));
    };
    for_rows(b, channel, s.bias, [&](int64_t row, __m512i x) {
      const __m256i begin = scaled(_mm512_castsi512_si256(x), first);
      const __m256i end = scaled(_mm512_extracti64x4_epi64(x, 1), second);
      const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(begin), end, 1);
      store(out + row * out_stride + channel, mask, _mm512_add_epi32(both, zero_point));
    });
  }
}

// Weight sums of 22 bits in two parts, 128 times the upper one and the lower one, for products of 16 bits with pairs of
// a row's zero point of 9 bits: quicker than products of 32 bits.
constexpr int kPartBits = 7, kPairRows = 64;
inline __m512i parts_of(__m512i weight_sums) {
  const __m512i upper = _mm512_slli_epi32(_mm512_srai_epi32(weight_sums, kPartBits), 16);
  return _mm512_or_si512(upper, _mm512_and_si512(weight_sums, _mm512_set1_epi32((1 << kPartBits) - 1)));
}
inline bool has_parts(__m512i weight_sums) {
  const __m512i limit = _mm512_set1_epi32(1 << (15 + kPartBits));
  return _mm512_cmplt_epu32_mask(_mm512_add_epi32(weight_sums, limit), _mm512_add_epi32(limit, limit)) == 0xffff;
}
// False where a zero point has more bits.
inline bool make_pairs(const SumBlock& b, const int32_t* row_zeros, int32_t (&pairs)[kPairRows]) {
  bool fit = b.rows <= kPairRows;
  for (int64_t row = 0; fit && row < b.rows; ++row) {
    const int32_t zero = row_zeros[row];
    fit = zero >= -256 && zero < 256;
    pairs[row] = static_cast<int32_t>(static_cast<uint32_t>(zero) << (16 + kPartBits) | (zero & 0xffff));
  }
  return fit;
}

// What one row takes off the sums of a vector of channels.
struct NoZeros {
  static __m512i of(int64_t, int) { return _mm512_setzero_si512(); }
};
template <int vectors>
struct ZerosInPairs {
  const int32_t* pairs;
  __m512i parts[vectors];
  __m512i of(int64_t row, int j) const { return _mm512_madd_epi16(parts[j], _mm512_set1_epi32(pairs[row])); }
};
template <int vectors>
struct WideZeros {
  const int32_t* zeros;
  __m512i weight_sums[vectors];
  __m512i of(int64_t row, int j) const { return _mm512_mullo_epi32(weight_sums[j], _mm512_set1_epi32(zeros[row])); }
};

// Row by row, as the outputs lie in memory.
template <int vectors, typename Zeros>
void finish_floats(const SumBlock& b, const FloatScale& s, int64_t channel, const Zeros& zeros, float* out,
                   int64_t out_stride) {
  const __m512 low = _mm512_set1_ps(s.min), high = _mm512_set1_ps(s.max);
  const __mmask16 mask = lanes_of(b.channels - channel - (vectors - 1) * kLanes);  // of the last vector
  __m512 scales[vectors], biases[vectors];
  for (int j = 0; j < vectors; ++j) {
    scales[j] = _mm512_loadu_ps(s.scales + channel + j * kLanes);
    biases[j] = s.bias ? _mm512_loadu_ps(s.bias + channel + j * kLanes) : _mm512_setzero_ps();
  }
  for (int64_t row = 0; row < b.rows; ++row) {
    const __m512 row_scale = _mm512_set1_ps(s.row_scales[row]);
    for (int j = 0; j < vectors; ++j) {
      __m512i x = _mm512_loadu_si512(b.sums + row * b.stride + channel + j * kLanes);
      if (b.row_terms) x = _mm512_add_epi32(x, _mm512_set1_epi32(b.row_terms[row]));
      const __m512 sum = _mm512_cvtepi32_ps(_mm512_sub_epi32(x, zeros.of(row, j)));
      const __m512 real = s.twice ? _mm512_mul_ps(_mm512_mul_ps(sum, scales[j]), row_scale)
                                  : _mm512_mul_ps(sum, _mm512_mul_ps(row_scale, scales[j]));
      const __m512 clamped = _mm512_min_ps(high, _mm512_max_ps(low, _mm512_add_ps(real, biases[j])));
      float* to = out + row * out_stride + channel + j * kLanes;
      if (j + 1 < vectors)
        _mm512_storeu_ps(to, clamped);
      else
        _mm512_mask_storeu_ps(to, mask, clamped);
    }
  }
}

template <int vectors>
void finish_floats(const SumBlock& b, const FloatScale& s, int64_t channel, const int32_t* pairs, float* out,
                   int64_t out_stride) {
  if (!s.row_zeros) return finish_floats<vectors>(b, s, channel, NoZeros(), out, out_stride);
  ZerosInPairs<vectors> in_pairs{pairs, {}};
  WideZeros<vectors> wide{s.row_zeros, {}};
  bool fit = pairs != nullptr;
  for (int j = 0; j < vectors; ++j) {
    wide.weight_sums[j] = _mm512_loadu_si512(s.weight_sums + channel + j * kLanes);
    in_pairs.parts[j] = parts_of(wide.weight_sums[j]);
    fit = fit && has_parts(wide.weight_sums[j]);
  }
  if (fit) return finish_floats<vectors>(b, s, channel, in_pairs, out, out_stride);
  finish_floats<vectors>(b, s, channel, wide, out, out_stride);
}

void finish_float(const SumBlock& b, const FloatScale& s, float* out, int64_t out_stride) {
  constexpr int kVectors = 4;
  int32_t pairs[kPairRows];
  const int32_t* fitting = s.row_zeros && make_pairs(b, s.row_zeros, pairs) ? pairs : nullptr;
  int64_t channel = 0;
  for (; channel + (kVectors - 1) * kLanes < b.channels; channel += kVectors * kLanes)
    finish_floats<kVectors>(b, s, channel, fitting, out, out_stride);
  for (; channel < b.channels; channel += kLanes) finish_floats<1>(b, s, channel, fitting, out, out_stride);
}

// The scale of the channels from `channel` on.
FixedScale from_channel(FixedScale s, int64_t channel) {
  if (s.bias) s.bias += channel;
  s.multipliers += channel;
  s.shifts += channel;
  return s;
}
RealScale from_channel(RealScale s, int64_t channel) {
  if (s.bias) s.bias += channel;
  s.scales += channel;
  return s;
}

template <typename Scale, typename Out, void (*exactly)(const SumBlock&, const Scale&, Out*, int64_t)>
[[gnu::noinline]] void finish_few(const void* scale, const SumBlock& b, int64_t channel, void* out, int64_t stride) {
  exactly(b, from_channel(*static_cast<const Scale*>(scale), channel), static_cast<Out*>(out), stride);
}

template <typename Scale, typename Out, void (*exactly)(const SumBlock&, const Scale&, Out*, int64_t)>
void finish_bytes(const SumBlock& b, const Scale& s, Out* out, int64_t out_stride) {
  static_assert(sizeof(Out) == 1);
  if (!s.quick.scales) return exactly(b, s, out, out_stride);
  const QuickBlock q{b, s.bias, s.quick, s.zero_point, s.min, s.max, {finish_few<Scale, Out, exactly>, &s}};
  finish_quickly<(static_cast<Out>(-1) < 0)>(q, reinterpret_cast<uint8_t*>(out), out_stride);
}

template <typename Out>
constexpr auto finish_fixed = finish_bytes<FixedScale, Out, exactly_fixed<Out>>;
template <typename Out>
constexpr auto finish_real = finish_bytes<RealScale, Out, exactly_real<Out>>;

constexpr FinishSums kFinish{finish_fixed<int8_t>, finish_fixed<uint8_t>, exactly_fixed<int16_t>,
                             finish_real<int8_t>,  finish_real<uint8_t>,  exactly_real<int16_t>,
                             finish_float};

}  // namespace

const FinishSums* finish_sums_avx512() { return &kFinish; }

}  // namespace subgraft
