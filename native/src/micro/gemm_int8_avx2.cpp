// Products of 8-bit matrices with AVX2, which multiplies pairs of 16 bits exactly.
#include "micro/gemm_int8_256_body.h"
#include "micro/panel_avx2.h"

namespace subgraft {

const Int8Gemm* int8_gemm_avx2();

namespace {

struct PairTile {
  static constexpr int kRows = 3;

  // A vector of sums has two for each of four channels: of the first and of the last two of four elements.
  template <int rows>
  static void multiply(const Operands& o) {
    constexpr int kParts = 4;
    __m256i sums[rows][kParts];
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < kParts; ++i) sums[r][i] = _mm256_setzero_si256();
    const int8_t* w = o.w;
    for (int64_t quad = 0; quad < o.quads; ++quad, w += kQuadBytes) {
      __m256i x[rows];
      for (int r = 0; r < rows; ++r)
        x[r] = _mm256_cvtepu8_epi16(_mm_set1_epi32(four_bytes(o.x + r * o.x_stride + quad * 4)));
      for (int i = 0; i < kParts; ++i) {
        const __m256i part = _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(w) + i));
        for (int r = 0; r < rows; ++r) sums[r][i] = _mm256_add_epi32(sums[r][i], _mm256_madd_epi16(x[r], part));
      }
    }
    for (int r = 0; r < rows; ++r)
      for (int h = 0; h < 2; ++h) {
        const __m256i mixed = _mm256_hadd_epi32(sums[r][2 * h], sums[r][2 * h + 1]);
        __m256i sum = _mm256_permute4x64_epi64(mixed, _MM_SHUFFLE(3, 1, 2, 0));
        if (o.initial) sum = _mm256_add_epi32(sum, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(o.initial) + h));
        _mm256_store_si256(reinterpret_cast<__m256i*>(o.sums + r * o.sums_stride) + h, sum);
      }
  }
};

constexpr int kRows = 48;
constexpr Int8Gemm kGemm{kRows, 1, 1, multiply_all<PairTile>, nullptr, copy_runs, sum_rows, nullptr, nullptr};

}  // namespace

const Int8Gemm* int8_gemm_avx2() { return &kGemm; }

}  // namespace subgraft
