#include <arm_neon.h>

#include <cstdint>

namespace subgraft {
namespace {

constexpr int kRows = 2;
typedef double Reals __attribute__((vector_size(16)));

inline Reals all(double x) { return (Reals)vdupq_n_f64(x); }
inline Reals load_reals(const double* p) { return (Reals)vld1q_f64(p); }
inline void store_reals(double* p, Reals x) { vst1q_f64(p, (float64x2_t)x); }

// Four columns of all rows.
struct Four {
  Reals reals[4];
};

inline Four load_four(const float* const (&rows)[kRows]) {
  const float32x4_t a = vld1q_f32(rows[0]), b = vld1q_f32(rows[1]);
  const float32x4_t first = vzip1q_f32(a, b), last = vzip2q_f32(a, b);
  return {{(Reals)vcvt_f64_f32(vget_low_f32(first)), (Reals)vcvt_high_f64_f32(first),
           (Reals)vcvt_f64_f32(vget_low_f32(last)), (Reals)vcvt_high_f64_f32(last)}};
}

inline void store_four(const Four& four, float* const (&rows)[kRows]) {
  const auto joined = [](Reals a, Reals b) {
    return vcombine_f32(vcvt_f32_f64((float64x2_t)a), vcvt_f32_f64((float64x2_t)b));
  };
  const float32x4_t first = joined(four.reals[0], four.reals[1]), last = joined(four.reals[2], four.reals[3]);
  vst1q_f32(rows[0], vuzp1q_f32(first, last));
  vst1q_f32(rows[1], vuzp2q_f32(first, last));
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/rfft_body.h"

namespace subgraft {

const RealTransform* real_transform_neon();

const RealTransform* real_transform_neon() { return &kRealTransform; }

}  // namespace subgraft
