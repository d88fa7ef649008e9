// A copy between two strided views of memory: what TRANSPOSE, SLICE, TILE and their kin come down to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/shape.h"
#include "micro/transpose.h"

namespace subgraft {

// out[sum of i_d * out_stride_d] = in[sum of i_d * in_stride_d] for every index (i_0, i_1, ...). Strides are in
// elements and may be negative or, for the input, zero. Add the dimensions from the outermost to the innermost; those
// that are contiguous in both views merge into one.
class StridedCopy {
 public:
  static constexpr int kMaxDims = 2 * Shape::kMaxRank;

  explicit StridedCopy(int64_t element_bytes) : element_bytes_(element_bytes), transposes_(transposes()) {}

  void add(int64_t size, int64_t in_stride, int64_t out_stride);
  void start_at(int64_t in_offset, int64_t out_offset);

  // Rows can be copied independently of each other. A row is never empty: without elements there are no rows.
  int64_t rows() const { return empty_ ? 0 : rows_; }
  int64_t row_bytes() const { return inner_size() * element_bytes_; }
  // Whether the output is one piece of the input, in order; where that begins.
  bool is_contiguous() const;
  int64_t in_offset_bytes() const { return in_offset_ * element_bytes_; }
  void copy_rows(const std::byte* in, std::byte* out, int64_t begin, int64_t end) const;

 private:
  struct Dim {
    int64_t size, in_stride, out_stride;
  };
  // `count` neighbours along the last dimension but one.
  void copy_plane(const std::byte* in, std::byte* out, int64_t count) const;
  bool copy_transposed(const std::byte* in, std::byte* out, int64_t count) const;
  int64_t inner_size() const { return dims_ ? dim_[dims_ - 1].size : 1; }
  void copy_row(const std::byte* in, std::byte* out) const;

  int64_t element_bytes_;
  const Transposes* transposes_;  // null: none on vectors
  int64_t in_offset_ = 0, out_offset_ = 0;
  std::array<Dim, kMaxDims> dim_{};  // none of size 1
  int dims_ = 0;
  int64_t rows_ = 1;  // product of all sizes but the innermost
  bool empty_ = false;
};

}  // namespace subgraft
