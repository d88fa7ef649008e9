// L2_NORMALIZATION and LOCAL_RESPONSE_NORMALIZATION over the last dimension.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/fixed_point_functions.h"
#include "kernels/families.h"
#include "kernels/rows.h"
#include "micro/reduce.h"

namespace subgraft {
namespace {

void normalize_row(const float* in, float* out, int64_t depth) {
  constexpr float kEpsilon = 1e-6f;
  float squares = 0;
  for (int64_t i = 0; i < depth; ++i) squares += in[i] * in[i];
  const float norm = std::max(std::sqrt(squares), kEpsilon);
  for (int64_t i = 0; i < depth; ++i) out[i] = in[i] / norm;
}

// Outputs are units of 1/128.
template <typename T>
void normalize_row(const T* in, T* out, int64_t depth, int32_t zero_point) {
  constexpr int kOutputBits = 7;
  constexpr int32_t low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  int64_t squares = 0;
  for (int64_t i = 0; i < depth; ++i) squares += int64_t{in[i] - zero_point} * (in[i] - zero_point);
  int quarterings = 0;  // the reference has no room for a sum over 32 bits
  for (; squares > std::numeric_limits<int32_t>::max(); ++quarterings) squares /= 4;
  Multiplier inverse = fixed::inverse_sqrt(static_cast<int32_t>(squares));
  inverse.shift -= quarterings;
  // Unsigned outputs are scaled before and signed ones after the multiplication, and are rounded differently.
  if constexpr (std::is_signed_v<T>) inverse.shift += kOutputBits;
  for (int64_t i = 0; i < depth; ++i) {
    const int32_t difference = in[i] - zero_point;
    const int32_t result = std::is_signed_v<T> ? rescale(difference, inverse)
                                               : rescale(difference * (1 << kOutputBits), inverse) + (1 << kOutputBits);
    out[i] = static_cast<T>(std::clamp(result, low, high));
  }
}

template <typename T>
Compute normalize_quantized(Preparation& p, const Rows& rows) {
  require_output(p, 1.f / 128, std::is_signed_v<T> ? 0 : 128);
  return [rows, zero_point = p.input(0).zero_point()](const Invocation& v) {
    rows.compute<T, T>(v, [&](const T* in, T* out) { normalize_row(in, out, rows.depth, zero_point); });
  };
}

Compute prepare_l2_normalization(Preparation& p) {
  const Rows rows = prepare_rows(p);
  const DType in = p.input(0).dtype, out = p.output(0).dtype;
  p.require(in == out, "input is ", dtype_name(in), " but output is ", dtype_name(out));
  if (p.options().integer("fused_activation_function") != 0) p.unsupported("fused activations");
  if (in == DType::float32) {
    if (const Reductions* fast = reductions())
      return [rows, normalize = fast->normalize](const Invocation& v) {
        rows.compute_many<float, float>(v, [&](const float* x, float* y, int64_t count) {
          normalize(nullptr, x, y, {count, rows.depth, rows.depth});
        });
      };
    return [rows](const Invocation& v) {
      rows.compute<float, float>(v, [&](const float* x, float* y) { normalize_row(x, y, rows.depth); });
    };
  }
  if (in == DType::int8) return normalize_quantized<int8_t>(p, rows);
  if (in == DType::uint8) return normalize_quantized<uint8_t>(p, rows);
  p.unsupported("L2_NORMALIZATION of ", dtype_name(in));
}

// Element c is divided by a power of the squares of its neighbours up to `radius` away. TFLite's reference kernel
// leaves the last of them out; its optimized kernel, TensorFlow and Android do not.
struct LocalResponse {
  int64_t radius;
  float bias, alpha, beta;

  void row(const float* in, float* out, int64_t depth) const {
    for (int64_t c = 0; c < depth; ++c) {
      float squares = 0;
      const int64_t end = std::min(depth, c + radius + 1);
      for (int64_t i = std::max<int64_t>(0, c - radius); i < end; ++i) squares += in[i] * in[i];
      out[c] = in[c] * std::pow(bias + alpha * squares, -beta);
    }
  }
};

Compute prepare_local_response_normalization(Preparation& p) {
  p.expect(1, 1);
  const Shape& shape = p.input(0).shape;
  p.require(shape.rank() == 4, "the input has shape ", shape.text(), "; it must have rank 4");
  p.set_output(0, shape);
  if (p.input(0).dtype != DType::float32 || p.output(0).dtype != DType::float32)
    p.unsupported("input ", dtype_name(p.input(0).dtype), " with output ", dtype_name(p.output(0).dtype));
  const Options& o = p.options();
  const auto real = [&o](const char* name) { return static_cast<float>(o.real(name)); };
  p.require(o.integer("radius") >= 0, "radius is ", o.integer("radius"));
  const LocalResponse response{o.integer("radius"), real("bias"), real("alpha"), real("beta")};
  const Rows rows{shape.product(0, 3), shape[3]};
  return [rows, response](const Invocation& v) {
    rows.compute<float, float>(v, [&](const float* x, float* y) { response.row(x, y, rows.depth); });
  };
}

}  // namespace

void register_normalization(Registry& registry) {
  registry.add("L2_NORMALIZATION", prepare_l2_normalization);
  registry.add("LOCAL_RESPONSE_NORMALIZATION", prepare_local_response_normalization);
}

}  // namespace subgraft
