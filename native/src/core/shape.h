// A tensor's dimensions, held inline so that a running program never allocates for one.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace subgraft {

class Shape {
 public:
  static constexpr int kMaxRank = 10;
  // Larger tensors are refused before any arithmetic on them can overflow.
  static constexpr int64_t kMaxElements = int64_t{1} << 40;

  Shape() = default;  // a scalar
  Shape(std::initializer_list<int32_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  // Throws ModelError for a negative dimension, a rank over kMaxRank or more than kMaxElements elements.
  explicit Shape(std::span<const int32_t> dims);

  int rank() const { return rank_; }
  int32_t operator[](int i) const { return dims_[i]; }
  std::span<const int32_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }
  int64_t elements() const { return elements_; }

  // Product of dimensions first .. last-1.
  int64_t product(int first, int last) const;
  // The dimension counted from the end, 1 where the rank is too small: back(0) is the innermost.
  int32_t back(int i) const { return i < rank_ ? dims_[rank_ - 1 - i] : 1; }
  // The same elements with leading ones added up to this rank (which must not be less).
  Shape extended(int rank) const;
  Shape with(int axis, int32_t dim) const;

  std::string text() const;  // "[1, 224, 224, 3]"

  friend bool operator==(const Shape& a, const Shape& b) { return a.rank_ == b.rank_ && a.dims_ == b.dims_; }

 private:
  std::array<int32_t, kMaxRank> dims_{};  // unused entries stay 0
  int rank_ = 0;
  int64_t elements_ = 1;
};

}  // namespace subgraft
