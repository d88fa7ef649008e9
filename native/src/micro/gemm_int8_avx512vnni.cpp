// Products of 8-bit matrices with AVX-512 VNNI.
#include "micro/gemm_int8_dots_body.h"
#include "micro/panel_avx512.h"

namespace subgraft {

const Int8Gemm* int8_gemm_avx512vnni();

namespace {

constexpr int kRows = 48;  // whole tiles of 6, 8 and 12 rows
constexpr Int8Gemm kGemm{kRows, 1, 1, multiply_with_dots, nullptr, copy_runs, sum_rows, nullptr, nullptr};

}  // namespace

const Int8Gemm* int8_gemm_avx512vnni() { return &kGemm; }

}  // namespace subgraft
