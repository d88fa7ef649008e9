#include "kernels/strided_copy.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "core/errors.h"
#include "kernels/copy_runs.h"

namespace subgraft {
namespace {

struct Bytes16 {
  uint64_t low, high;
};

template <typename T>
void copy_elements(const std::byte* in_bytes, int64_t in_stride, std::byte* out_bytes, int64_t out_stride,
                   int64_t count) {
  const T* in = reinterpret_cast<const T*>(in_bytes);
  T* out = reinterpret_cast<T*>(out_bytes);
  if (in_stride == 0 && out_stride == 1) {
    const T value = *in;
    for (int64_t i = 0; i < count; ++i) out[i] = value;
  } else if (out_stride == 1) {
    for (int64_t i = 0; i < count; ++i) out[i] = in[i * in_stride];
  } else {
    for (int64_t i = 0; i < count; ++i) out[i * out_stride] = in[i * in_stride];
  }
}

}  // namespace

void StridedCopy::add(int64_t size, int64_t in_stride, int64_t out_stride) {
  if (size == 0) empty_ = true;
  if (size == 1 || empty_) return;
  if (dims_ > 0) {
    Dim& outer = dim_[dims_ - 1];
    if (outer.in_stride == in_stride * size && outer.out_stride == out_stride * size) {
      outer = {outer.size * size, in_stride, out_stride};
      return;
    }
    rows_ *= outer.size;
  }
  if (dims_ == kMaxDims) throw Unsupported(concat("more than ", kMaxDims, " dimensions that do not merge"));
  dim_[dims_++] = {size, in_stride, out_stride};
}

bool StridedCopy::is_contiguous() const {
  const bool in_order = dims_ == 0 || (dims_ == 1 && dim_[0].in_stride == 1 && dim_[0].out_stride == 1);
  return in_order && !empty_ && out_offset_ == 0;
}

void StridedCopy::start_at(int64_t in_offset, int64_t out_offset) {
  in_offset_ = in_offset;
  out_offset_ = out_offset;
}

void StridedCopy::copy_row(const std::byte* in, std::byte* out) const {
  if (dims_ == 0) {
    std::memcpy(out, in, element_bytes_);
    return;
  }
  const Dim& inner = dim_[dims_ - 1];
  if (inner.in_stride == 1 && inner.out_stride == 1) {
    std::memcpy(out, in, inner.size * element_bytes_);
    return;
  }
  switch (element_bytes_) {
    case 1:
      return copy_elements<uint8_t>(in, inner.in_stride, out, inner.out_stride, inner.size);
    case 2:
      return copy_elements<uint16_t>(in, inner.in_stride, out, inner.out_stride, inner.size);
    case 4:
      return copy_elements<uint32_t>(in, inner.in_stride, out, inner.out_stride, inner.size);
    case 8:
      return copy_elements<uint64_t>(in, inner.in_stride, out, inner.out_stride, inner.size);
    default:
      return copy_elements<Bytes16>(in, inner.in_stride, out, inner.out_stride, inner.size);
  }
}

// Whether it is a transpose of matrices that there is a kernel for.
bool StridedCopy::copy_transposed(const std::byte* in, std::byte* out, int64_t count) const {
  const Dim &inner = dim_[dims_ - 1], &outer = dim_[dims_ - 2];
  constexpr int64_t kWorthIt = 8;  // elements of either side
  if (!transposes_ || outer.in_stride != 1 || inner.out_stride != 1 || inner.in_stride < 2) return false;
  if (inner.size < kWorthIt || count < kWorthIt) return false;
  const auto run = [&](auto kernel, auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    kernel(reinterpret_cast<const T*>(in), inner.in_stride, reinterpret_cast<T*>(out), outer.out_stride, inner.size,
           count);
    return true;
  };
  switch (element_bytes_) {
    case 1:
      return run(transposes_->of_1_byte, static_cast<uint8_t*>(nullptr));
    case 2:
      return run(transposes_->of_2_bytes, static_cast<uint16_t*>(nullptr));
    case 4:
      return run(transposes_->of_4_bytes, static_cast<uint32_t*>(nullptr));
    default:
      return false;
  }
}

void StridedCopy::copy_plane(const std::byte* in, std::byte* out, int64_t count) const {
  const Dim &inner = dim_[dims_ - 1], &outer = dim_[dims_ - 2];
  const int64_t in_step = outer.in_stride * element_bytes_, out_step = outer.out_stride * element_bytes_;
  if (inner.in_stride == 1 && inner.out_stride == 1)
    return copy_runs(in, in_step, out, out_step, count, inner.size * element_bytes_);
  if (copy_transposed(in, out, count)) return;
  for (int64_t i = 0; i < count; ++i) copy_row(in + i * in_step, out + i * out_step);
}

void StridedCopy::copy_rows(const std::byte* in, std::byte* out, int64_t begin, int64_t end) const {
  int64_t index[kMaxDims];
  int64_t in_at = in_offset_, out_at = out_offset_;
  int64_t rest = begin;
  for (int d = dims_ - 2; d >= 0; --d) {
    index[d] = rest % dim_[d].size;
    rest /= dim_[d].size;
    in_at += index[d] * dim_[d].in_stride;
    out_at += index[d] * dim_[d].out_stride;
  }
  if (dims_ < 2) {
    if (begin < end) copy_row(in + in_at * element_bytes_, out + out_at * element_bytes_);
    return;
  }
  const Dim& plane = dim_[dims_ - 2];
  for (int64_t row = begin; row < end;) {
    const int64_t count = std::min(end - row, plane.size - index[dims_ - 2]);
    copy_plane(in + in_at * element_bytes_, out + out_at * element_bytes_, count);
    row += count;
    in_at -= index[dims_ - 2] * plane.in_stride;
    out_at -= index[dims_ - 2] * plane.out_stride;
    index[dims_ - 2] = 0;
    for (int d = dims_ - 3; d >= 0; --d) {
      in_at += dim_[d].in_stride;
      out_at += dim_[d].out_stride;
      if (++index[d] < dim_[d].size) break;
      in_at -= dim_[d].size * dim_[d].in_stride;
      out_at -= dim_[d].size * dim_[d].out_stride;
      index[d] = 0;
    }
  }
}

}  // namespace subgraft
