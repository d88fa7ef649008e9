// Weights and biases as the kernels of CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED read them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/sub_byte.h"
#include "runtime/kernel.h"

namespace subgraft {

// Checks an optional input of `channels` values; false when it is absent.
inline bool has_bias(const Preparation& p, int i, DType dtype, int64_t channels) {
  if (!p.has_input(i)) return false;
  p.require(p.input(i).dtype == dtype, "the bias is ", dtype_name(p.input(i).dtype), "; it must be ",
            dtype_name(dtype));
  p.require(p.input(i).shape.elements() == channels, "the bias has ", p.input(i).shape.elements(), " values for ",
            channels, " channels");
  return true;
}

// Signed 8-bit weights, whatever they are stored as: int4 and int2 are unpacked once for all sessions of the model.
class SignedWeights {
 public:
  SignedWeights(Preparation& p, int i) : input_(i) {
    const DType dtype = p.input(i).dtype;
    if (dtype != DType::int4 && dtype != DType::int2) return;
    if (!p.input(i).is_constant()) p.unsupported(dtype_name(dtype), " weights that are not constant");
    unpacked_ = p.shared<std::vector<int8_t>>(i, "unpacked", [&] {
      return unpack_signed(p.input(i).constant, dtype_bits(dtype), p.input(i).shape.elements());
    });
  }
  const int8_t* data(const Invocation& v) const { return unpacked_ ? unpacked_->data() : v.in<int8_t>(input_); }

 private:
  int input_;
  std::shared_ptr<const std::vector<int8_t>> unpacked_;
};

inline bool is_signed_weight(DType dtype) {
  return dtype == DType::int8 || dtype == DType::int4 || dtype == DType::int2;
}

// Signed weights are symmetric: every zero point is 0.
inline void require_symmetric(const Preparation& p, int i) {
  const Quantization* q = p.input(i).quantization;
  if (!q) return;
  for (const int64_t zero : q->zero_point)
    if (zero != 0) p.unsupported("weights with the zero point ", zero);
}

// 16-bit activations have the zero point 0.
inline void require_centered(const Preparation& p, int data = 0) {
  p.require(p.input(data).zero_point() == 0 && p.output(0).zero_point() == 0,
            "16-bit activations need the zero point 0");
}

// The type of an op's bias, and so of its sums, where activations have 16 bits: as the op says, or else as input `bias`
// has it; `fallback` where there is neither.
inline DType bias_type(const Preparation& p, int bias, DType fallback) {
  const auto type = static_cast<DType>(p.options().integer("quantized_bias_type"));
  if (type == DType::int32 || type == DType::int64) return type;
  p.require(type == DType::float32, "quantized_bias_type is ", dtype_name(type));
  const bool decides =
      p.has_input(bias) && (p.input(bias).dtype == DType::int32 || p.input(bias).dtype == DType::int64);
  return decides ? p.input(bias).dtype : fallback;
}

// Whether sums are 32 bits wide.
inline bool sums_in_32_bits(const Preparation& p, int bias) { return bias_type(p, bias, DType::int64) == DType::int32; }

}  // namespace subgraft
