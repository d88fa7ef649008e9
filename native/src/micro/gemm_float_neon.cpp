// Products of float32 matrices with NEON.
#include <arm_neon.h>

#include <cstdint>

namespace subgraft {
namespace {

using V = float32x4_t;
constexpr int kLanes = 4, kRegisters = 32;

inline V zero() { return vdupq_n_f32(0); }
inline V load(const float* p) { return vld1q_f32(p); }
inline V load_first(const float* p, int n) {
  float values[kLanes] = {};
  for (int i = 0; i < n; ++i) values[i] = p[i];
  return vld1q_f32(values);
}
inline V broadcast(const float* p) { return vld1q_dup_f32(p); }
inline void store(float* p, V v) { vst1q_f32(p, v); }
inline void store_first(float* p, V v, int n) {
  float values[kLanes];
  vst1q_f32(values, v);
  for (int i = 0; i < n; ++i) p[i] = values[i];
}
inline V add(V a, V b) { return vaddq_f32(a, b); }
inline V multiply_add(V a, V b, V c) { return vfmaq_f32(c, a, b); }
inline V lower(V a, V b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline V upper(V a, V b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline float sum(V v) { return vaddvq_f32(v); }
inline V load_parts(const float* p, int64_t) { return vld1q_f32(p); }
inline void transpose_parts(V (&v)[4]) {
  const float64x2_t low01 = vreinterpretq_f64_f32(vzip1q_f32(v[0], v[1]));
  const float64x2_t low23 = vreinterpretq_f64_f32(vzip1q_f32(v[2], v[3]));
  const float64x2_t high01 = vreinterpretq_f64_f32(vzip2q_f32(v[0], v[1]));
  const float64x2_t high23 = vreinterpretq_f64_f32(vzip2q_f32(v[2], v[3]));
  v[0] = vreinterpretq_f32_f64(vzip1q_f64(low01, low23));
  v[1] = vreinterpretq_f32_f64(vzip2q_f64(low01, low23));
  v[2] = vreinterpretq_f32_f64(vzip1q_f64(high01, high23));
  v[3] = vreinterpretq_f32_f64(vzip2q_f64(high01, high23));
}

}  // namespace
}  // namespace subgraft

#include "micro/gemm_float_body.h"
#include "micro/gemm_float_dots_body.h"
#include "micro/gemm_float_pack_body.h"

namespace subgraft {

const FloatGemm* float_gemm_neon() {
  static constexpr FloatGemm kGemm = {kLanes, multiply, multiply_dots, pack_rows, pack_columns};
  return &kGemm;
}

}  // namespace subgraft
