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

}  // namespace
}  // namespace subgraft

#include "micro/gemm_float_body.h"
#include "micro/gemm_float_dots_body.h"

namespace subgraft {

const FloatGemm* float_gemm_neon() {
  static constexpr FloatGemm kGemm = {kLanes, multiply, multiply_dots};
  return &kGemm;
}

}  // namespace subgraft
