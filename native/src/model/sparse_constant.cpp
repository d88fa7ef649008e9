// The layout is that of SparsityParameters in the .tflite schema (TACO's): the dimensions, and behind them the
// dimensions of blocks, in the order in which the values were stored; each dense, or compressed as in CSR.
#include "model/sparse_constant.h"

#include "core/errors.h"

namespace subgraft {
namespace {

constexpr int8_t kDense = 0, kCompressed = 1;  // DimensionType of the schema

template <typename... Parts>
void require(bool holds, const Parts&... parts) {
  if (!holds) throw ModelError(concat(parts...));
}

}  // namespace

SparseConstant::SparseConstant(std::shared_ptr<const Sparsity> sparsity, const Shape& shape, size_t element_bytes,
                               Bytes values)
    : sparsity_(std::move(sparsity)), shape_(shape), element_bytes_(element_bytes), values_(values.data()) {
  if (shape.elements() == 0) return;
  set_levels();
  int64_t count = 1;
  for (const Level& level : levels_) count = count_below(level, count);
  const auto held = static_cast<int64_t>(values.size() / element_bytes);
  require(count <= held, "it holds ", held, " values, but its layout needs ", count);
  stored_ = count;
}

SparseConstant SparseConstant::with_values(size_t element_bytes, const std::byte* values,
                                           std::shared_ptr<const void> holder) const {
  SparseConstant other = *this;
  other.element_bytes_ = element_bytes;
  other.values_ = values;
  other.holder_ = std::move(holder);
  return other;
}

int64_t SparseConstant::run() const {
  if (levels_.empty()) return 1;
  const Level& last = levels_.back();
  return last.is_compressed || last.step != 1 ? 1 : last.extent;
}

void SparseConstant::spell_out(std::byte* dense) const {
  std::memset(dense, 0, static_cast<size_t>(shape_.elements()) * element_bytes_);
  const auto size = static_cast<int64_t>(element_bytes_);
  each([&](int64_t element, int64_t place) {
    std::memcpy(dense + element * size, values_ + place * size, element_bytes_);
  });
}

void SparseConstant::set_levels() {
  const Sparsity& sparsity = *sparsity_;
  const int rank = shape_.rank(), blocks = static_cast<int>(sparsity.block_map.size());
  levels_.resize(sparsity.traversal_order.size());
  require(blocks <= rank && levels_.size() == static_cast<size_t>(rank + blocks), "its traversal order has ",
          levels_.size(), " entries for ", rank, " dimensions and ", blocks, " of blocks");
  require(sparsity.dim_metadata.size() == levels_.size(), "there are ", sparsity.dim_metadata.size(),
          " descriptions for ", levels_.size(), " dimensions");
  std::vector<int64_t> extents(levels_.size()), steps(levels_.size());
  std::vector<const DimensionMetadata*> metadata(levels_.size(), nullptr);
  for (size_t i = 0; i < levels_.size(); ++i) {
    const int32_t dimension = sparsity.traversal_order[i];
    require(dimension >= 0 && dimension < static_cast<int64_t>(levels_.size()) && !metadata[dimension],
            "its traversal order is no permutation");
    metadata[dimension] = &sparsity.dim_metadata[i];
  }
  int64_t step = 1;
  for (int i = rank - 1; i >= 0; --i) {
    extents[i] = shape_[i];
    steps[i] = step;
    step *= shape_[i];
  }
  for (size_t i = rank; i < levels_.size(); ++i) {
    const int32_t blocked = sparsity.block_map[i - rank], size = metadata[i]->dense_size;
    require(blocked >= 0 && blocked < rank, "it has blocks along dimension ", blocked, " of ", rank);
    require(metadata[i]->format == kDense, "its blocks are sparse themselves");
    require(size > 0 && extents[blocked] % size == 0, "blocks of ", size, " do not divide dimension ", blocked,
            " of size ", extents[blocked]);
    extents[i] = size;
    steps[i] = steps[blocked];
    extents[blocked] /= size;
    steps[blocked] *= size;
  }
  for (size_t i = 0; i < levels_.size(); ++i) {
    const int32_t dimension = sparsity.traversal_order[i];
    const DimensionMetadata* described = metadata[dimension];
    levels_[i] = {extents[dimension], steps[dimension], described, described->format == kCompressed};
  }
}

// How many nodes a level has for so many nodes of the level above.
int64_t SparseConstant::count_below(const Level& level, int64_t above) {
  const DimensionMetadata& metadata = *level.metadata;
  if (metadata.format == kDense) {
    require(metadata.dense_size == level.extent, "a dimension of size ", level.extent, " is described as of size ",
            metadata.dense_size);
    require(above == 0 || level.extent <= Shape::kMaxElements / above, "it has too many values");
    return above * level.extent;
  }
  require(metadata.format == kCompressed, "a dimension has the unknown format ", int{metadata.format});
  const auto& segments = metadata.array_segments.values;
  const auto& indices = metadata.array_indices.values;
  require(static_cast<int64_t>(segments.size()) == above + 1, "a dimension has ", segments.size(), " segments for ",
          above, " nodes");
  require(segments.front() == 0 && segments.back() == static_cast<int64_t>(indices.size()),
          "segments of a dimension do not cover its ", indices.size(), " indices");
  for (size_t i = 1; i < segments.size(); ++i)
    require(segments[i - 1] <= segments[i], "segments of a dimension overlap");
  for (const int32_t index : indices)
    require(index >= 0 && index < level.extent, "index ", index, " is outside a dimension of size ", level.extent);
  return static_cast<int64_t>(indices.size());
}

}  // namespace subgraft
