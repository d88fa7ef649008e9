// Index vectors of STABLEHLO_GATHER and STABLEHLO_SCATTER: which of a tensor's dimensions hold them, and where they
// point.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/movement.h"

namespace subgraft {

using Indices = std::array<int64_t, Shape::kMaxRank>;

// Some of the dimensions of a tensor, each once.
struct DimensionSet {
  uint32_t bits = 0;

  bool has(int64_t d) const { return (bits >> d & 1) != 0; }
  int size() const { return std::popcount(bits); }
};

// The list of dimensions that an option holds. Throws ModelError unless they are all in the rank, and each once.
inline std::vector<int> dimension_list(const Preparation& p, std::string_view name, int rank) {
  std::vector<int> dims;
  for (const int64_t d : p.options().integers(name)) {
    p.require(d >= 0 && d < rank, name, " has ", d, ", outside rank ", rank);
    p.require(std::find(dims.begin(), dims.end(), d) == dims.end(), name, " has ", d, " twice");
    dims.push_back(static_cast<int>(d));
  }
  return dims;
}

inline DimensionSet dimension_set(const Preparation& p, std::string_view name, int rank) {
  DimensionSet set;
  for (const int d : dimension_list(p, name, rank)) set.bits |= uint32_t{1} << d;
  return set;
}

// Where windows start in an operand. The vectors are numbered in the order of the other dimensions of their tensor.
class Starts {
 public:
  // The vectors lie along index_vector_dim of input 1, or are scalars where that is its rank. targets: the dimension of
  // the operand for each entry.
  Starts(const Preparation& p, std::vector<int> targets) : targets_(std::move(targets)) {
    const Operand& indices = p.input(1);
    p.require(indices.dtype == DType::int32 || indices.dtype == DType::int64, "indices are ", dtype_name(indices.dtype),
              "; they must be int32 or int64");
    is_wide_ = indices.dtype == DType::int64;
    const int64_t along = p.options().integer("index_vector_dim");
    const int rank = indices.shape.rank();
    p.require(along >= 0 && along <= rank, "index_vector_dim ", along, " for indices of shape ", indices.shape.text());
    const int64_t depth = along == rank ? 1 : indices.shape[static_cast<int>(along)];
    p.require(depth == static_cast<int64_t>(targets_.size()), "index vectors of ", depth, " for ", targets_.size(),
              " dimensions");
    for (int d = 0; d < rank; ++d) {
      if (d == along) continue;
      batch_.push_back(indices.shape[d]);
      after_along_ += d > along ? 1 : 0;
    }
  }

  const std::vector<int32_t>& batch() const { return batch_; }  // the other dimensions

  // To be called before reading, when their product is known to be small enough.
  void lay_out() {
    after_ = 1;
    for (size_t d = batch_.size() - static_cast<size_t>(after_along_); d < batch_.size(); ++d) after_ *= batch_[d];
  }

  // Zero where no entry points to. Far outside of any tensor is as good as the number itself.
  Indices read(const Invocation& v, int64_t vector) const {
    Indices start{};
    const auto depth = static_cast<int64_t>(targets_.size());
    const int64_t first = vector / after_ * depth * after_ + vector % after_;
    for (int64_t k = 0; k < depth; ++k) {
      const int64_t at = first + k * after_;
      const int64_t index = is_wide_ ? v.in<int64_t>(1)[at] : v.in<int32_t>(1)[at];
      start[static_cast<size_t>(targets_[static_cast<size_t>(k)])] =
          std::clamp(index, -Shape::kMaxElements, Shape::kMaxElements);
    }
    return start;
  }

 private:
  std::vector<int> targets_;
  bool is_wide_ = false;
  std::vector<int32_t> batch_;
  int after_along_ = 0;  // of these dimensions, so many come behind the vectors
  int64_t after_ = 1;    // vectors between two entries of one
};

}  // namespace subgraft
