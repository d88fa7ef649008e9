// The layout is that of SparsityParameters in the .tflite schema (TACO's): the dimensions, and behind them the
// dimensions of blocks, in the order in which the values were stored; each dense, or compressed as in CSR.
#include "model/densify.h"

#include <cstring>
#include <vector>

#include "core/errors.h"

namespace subgraft {
namespace {

constexpr int8_t kDense = 0, kCompressed = 1;  // DimensionType of the schema

template <typename... Parts>
void require(bool holds, const Parts&... parts) {
  if (!holds) throw ModelError(concat(parts...));
}

// One dimension in the order of storage.
struct Level {
  int64_t extent = 0;
  int64_t step = 0;  // from one index to the next, in bytes of the dense constant
  const DimensionMetadata* metadata = nullptr;

  bool is_compressed() const { return metadata->format == kCompressed; }
};

class Layout {
 public:
  Layout(const Sparsity& sparsity, const Shape& shape, size_t element_bytes)
      : element_bytes_(element_bytes), levels_(sparsity.traversal_order.size()) {
    const int rank = shape.rank(), blocks = static_cast<int>(sparsity.block_map.size());
    require(blocks <= rank && levels_.size() == static_cast<size_t>(rank + blocks), "its traversal order has ",
            levels_.size(), " entries for ", rank, " dimensions and ", blocks, " of blocks");
    require(sparsity.dim_metadata.size() == levels_.size(), "there are ", sparsity.dim_metadata.size(),
            " descriptions for ", levels_.size(), " dimensions");
    set_extents(sparsity, shape);
    int64_t count = 1;
    for (const Level& level : levels_) count = count_below(level, count);
    values_ = count;
  }

  int64_t values() const { return values_; }

  // Copies the values under the `position`th node of a level, whose first element lies at `dense`.
  void spread(size_t level, int64_t position, const std::byte* values, std::byte* dense) const {
    if (level == levels_.size()) {
      std::memcpy(dense, values + position * static_cast<int64_t>(element_bytes_), element_bytes_);
      return;
    }
    const Level& here = levels_[level];
    if (!here.is_compressed()) {
      for (int64_t i = 0; i < here.extent; ++i)
        spread(level + 1, position * here.extent + i, values, dense + i * here.step);
      return;
    }
    const auto& segments = here.metadata->array_segments.values;
    const auto& indices = here.metadata->array_indices.values;
    for (int64_t i = segments[position]; i < segments[position + 1]; ++i)
      spread(level + 1, i, values, dense + indices[i] * here.step);
  }

 private:
  void set_extents(const Sparsity& sparsity, const Shape& shape) {
    const int rank = shape.rank();
    std::vector<int64_t> extents(levels_.size()), steps(levels_.size());
    std::vector<const DimensionMetadata*> metadata(levels_.size(), nullptr);
    for (size_t i = 0; i < levels_.size(); ++i) {
      const int32_t dimension = sparsity.traversal_order[i];
      require(dimension >= 0 && dimension < static_cast<int64_t>(levels_.size()) && !metadata[dimension],
              "its traversal order is no permutation");
      metadata[dimension] = &sparsity.dim_metadata[i];
    }
    int64_t step = static_cast<int64_t>(element_bytes_);
    for (int i = rank - 1; i >= 0; --i) {
      extents[i] = shape[i];
      steps[i] = step;
      step *= shape[i];
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
      levels_[i] = {extents[dimension], steps[dimension], metadata[dimension]};
    }
  }

  // How many nodes a level has for so many nodes of the level above.
  static int64_t count_below(const Level& level, int64_t above) {
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

  size_t element_bytes_;
  std::vector<Level> levels_;
  int64_t values_ = 0;
};

}  // namespace

void densify(const Sparsity& sparsity, const Shape& shape, size_t element_bytes, Bytes values, std::byte* dense) {
  if (shape.elements() == 0) return;
  const Layout layout(sparsity, shape, element_bytes);
  const size_t held = values.size() / element_bytes;
  require(layout.values() <= static_cast<int64_t>(held), "it holds ", held, " values, but its layout needs ",
          layout.values());
  std::memset(dense, 0, static_cast<size_t>(shape.elements()) * element_bytes);
  layout.spread(0, 0, values.data(), dense);
}

}  // namespace subgraft
