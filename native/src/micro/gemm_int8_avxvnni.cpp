// Products of 8-bit matrices with the dot products of AVX-VNNI.
#include "micro/gemm_int8_256_body.h"
#include "micro/panel_avx2.h"

namespace subgraft {

const Int8Gemm* int8_gemm_avxvnni();

namespace {

struct DotTile {
  static constexpr int kRows = 6;

  // Few rows are unrolled along the depth: a dot product takes five cycles, and two can begin in each.
  template <int rows>
  static void multiply(const Operands& o) {
    constexpr int kUnroll = rows >= 3 ? 1 : 3 - rows + 1;
    __m256i sums[kUnroll][rows][2];
    for (int u = 0; u < kUnroll; ++u)
      for (int r = 0; r < rows; ++r)
        for (int h = 0; h < 2; ++h) {
          const auto* initial = reinterpret_cast<const __m256i*>(o.initial) + h;
          sums[u][r][h] = u == 0 && o.initial ? _mm256_loadu_si256(initial) : _mm256_setzero_si256();
        }
    const auto add = [&](int64_t quad, __m256i(&to)[rows][2]) {
      const auto* w = reinterpret_cast<const __m256i*>(o.w + quad * kQuadBytes);
      const __m256i low = _mm256_load_si256(w), high = _mm256_load_si256(w + 1);
      for (int r = 0; r < rows; ++r) {
        const __m256i x = _mm256_set1_epi32(four_bytes(o.x + r * o.x_stride + quad * 4));
        to[r][0] = _mm256_dpbusd_avx_epi32(to[r][0], x, low);
        to[r][1] = _mm256_dpbusd_avx_epi32(to[r][1], x, high);
      }
    };
    int64_t quad = 0;
    for (; quad + kUnroll <= o.quads; quad += kUnroll)
      for (int u = 0; u < kUnroll; ++u) add(quad + u, sums[u]);
    if constexpr (kUnroll > 1)
      for (; quad < o.quads; ++quad) add(quad, sums[0]);
    for (int r = 0; r < rows; ++r)
      for (int h = 0; h < 2; ++h) {
        for (int u = 1; u < kUnroll; ++u) sums[0][r][h] = _mm256_add_epi32(sums[0][r][h], sums[u][r][h]);
        _mm256_store_si256(reinterpret_cast<__m256i*>(o.sums + r * o.sums_stride) + h, sums[0][r][h]);
      }
  }
};

constexpr int kRows = 48;
constexpr Int8Gemm kGemm{kRows, 1, 1, multiply_all<DotTile>, nullptr, copy_runs, sum_rows, nullptr, nullptr};

}  // namespace

const Int8Gemm* int8_gemm_avxvnni() { return &kGemm; }

}  // namespace subgraft
