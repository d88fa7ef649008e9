// What the kernels that only move elements have in common: checks of types, axes and quantization, and the closure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/strided_copy.h"
#include "runtime/kernel.h"

namespace subgraft {

// Less than this many bytes are not worth a second thread.
inline constexpr int64_t kBytesPerThread = 64 * 1024;

// Rows of this size that one thread takes at least.
inline int64_t row_grain(int64_t row_bytes) {
  return std::max<int64_t>(1, kBytesPerThread / std::max<int64_t>(1, row_bytes));
}

// Bits of an element that input and output share. Throws for differing types and for those of no fixed size.
inline int moved_bits(const Preparation& p, const Operand& input, const Operand& output) {
  p.require(input.dtype == output.dtype, "input is ", dtype_name(input.dtype), " but output is ",
            dtype_name(output.dtype));
  const int bits = dtype_bits(input.dtype);
  if (bits == 0) p.unsupported(p.name(), " of ", dtype_name(input.dtype));
  return bits;
}

// The same in bytes. Throws also for elements of less than one.
inline int64_t moved_bytes(const Preparation& p, const Operand& input, const Operand& output) {
  const int bits = moved_bits(p, input, output);
  if (bits < 8) p.unsupported(p.name(), " of ", dtype_name(input.dtype));
  return bits / 8;
}

// The axis counted from the front.
inline int checked_axis(const Preparation& p, int64_t axis, int rank) {
  p.require(axis >= -rank && axis < rank, "axis ", axis, " is outside rank ", rank);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

// Per-tensor parameters as ops compare them: zeros where the file has none, or has them for each channel.
struct TensorScale {
  float scale = 0;
  int32_t zero_point = 0;

  friend bool operator==(const TensorScale& a, const TensorScale& b) {
    return a.scale == b.scale && a.zero_point == b.zero_point;
  }
};

inline TensorScale tensor_scale(const Operand& x) {
  if (!x.is_quantized() || x.is_per_channel()) return {};
  return {x.scale(), x.zero_point()};
}

inline void require_same_scale(const Preparation& p, const Operand& a, const Operand& b) {
  p.require(tensor_scale(a) == tensor_scale(b), "'", a.name, "' and '", b.name,
            "' differ in scale or zero point, but this op cannot rescale");
}

// Elements between neighbours along `axis`. 0 for an empty shape, whose other dimensions may be too large to multiply.
inline int64_t stride_of(const Shape& shape, int axis) {
  return shape.elements() == 0 ? 0 : shape.product(axis + 1, shape.rank());
}

// Copies input to output, which may lie in it where the elements are next to each other.
inline Compute run_copy(Preparation& p, const StridedCopy& copy, int input = 0) {
  if (copy.is_contiguous()) p.view(0, input, copy.in_offset_bytes());
  return [copy, input](const Invocation& v) {
    const std::byte* in = v.in<std::byte>(input);
    std::byte* out = v.out<std::byte>(0);
    v.parallel(copy.rows(), row_grain(copy.row_bytes()),
               [&](int64_t begin, int64_t end) { copy.copy_rows(in, out, begin, end); });
  };
}

}  // namespace subgraft
