#include "micro/pairs_avx512.h"

namespace subgraft {
namespace {

inline Ints add_products(Ints sums, Ints x, Ints w) { return _mm512_add_epi32(sums, _mm512_madd_epi16(x, w)); }

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/gemm_int16_body.h"

namespace subgraft {

const Int16Gemm* int16_gemm_avx512() { return &kInt16Gemm; }

}  // namespace subgraft
