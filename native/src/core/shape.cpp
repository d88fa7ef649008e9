#include "core/shape.h"

#include <algorithm>
#include <vector>

#include "core/errors.h"

namespace subgraft {

Shape::Shape(std::span<const int32_t> dims) {
  if (dims.size() > kMaxRank) throw Unsupported(concat("rank ", dims.size(), " is over the limit of ", kMaxRank));
  rank_ = static_cast<int>(dims.size());
  std::copy(dims.begin(), dims.end(), dims_.begin());
  int64_t product = 1;  // without zeros: what kernels multiply may leave out the dimension that is 0
  for (const int32_t dim : dims) {
    if (dim < 0) throw ModelError(concat("dimension ", dim, " in shape ", text(), " is negative"));
    if (dim == 0) {
      elements_ = 0;
      continue;
    }
    if (product > kMaxElements / dim) throw ModelError(concat("shape ", text(), " has too many elements"));
    product *= dim;
  }
  elements_ *= product;
}

int64_t Shape::product(int first, int last) const {
  int64_t result = 1;
  for (int i = first; i < last; ++i) result *= dims_[i];
  return result;
}

Shape Shape::extended(int rank) const {
  std::array<int32_t, kMaxRank> dims;
  const int added = rank - rank_;
  std::fill_n(dims.begin(), added, 1);
  std::copy_n(dims_.begin(), rank_, dims.begin() + added);
  return Shape(std::span<const int32_t>(dims.data(), rank));
}

Shape Shape::with(int axis, int32_t dim) const {
  std::array<int32_t, kMaxRank> dims = dims_;
  dims[axis] = dim;
  return Shape(std::span<const int32_t>(dims.data(), rank_));
}

std::string Shape::text() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string(dims_[i]);
  return text + "]";
}

}  // namespace subgraft
