// A constant of which a file holds only some elements; the others are zero.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "core/shape.h"
#include "model/model.h"

namespace subgraft {

class SparseConstant {
 public:
  // Throws ModelError for a layout that contradicts itself, the shape or the number of values. The values stay where
  // they are, and alive as long as the model.
  SparseConstant(std::shared_ptr<const Sparsity> sparsity, const Shape& shape, size_t element_bytes, Bytes values);

  // The same layout with other values, in the same order. `holder` keeps them alive.
  SparseConstant with_values(size_t element_bytes, const std::byte* values, std::shared_ptr<const void> holder) const;

  const Shape& shape() const { return shape_; }  // with the zeros
  int64_t stored() const { return stored_; }     // elements that the layout lists
  const std::byte* values() const { return values_; }
  // So many elements that are neighbours along the last dimension are always stored one after the other.
  int64_t run() const;

  // Calls visit(index of the element in the dense constant, its place among the values), in order of places. A later
  // value of the same element replaces an earlier one.
  template <typename Visit>
  void each(Visit&& visit) const {
    if (stored_ > 0) descend(0, 0, 0, visit);
  }

  // Writes all elements in their dense order; zero bytes where none is listed. Takes time in proportion to the file's
  // part and the dense size.
  void spell_out(std::byte* dense) const;

 private:
  // One dimension in the order of storage.
  struct Level {
    int64_t extent = 0;
    int64_t step = 0;  // from one index to the next, in elements of the dense constant
    const DimensionMetadata* metadata = nullptr;
    bool is_compressed = false;
  };

  void set_levels();
  static int64_t count_below(const Level& level, int64_t above);

  // The values under the `position`th node of a level, whose first element is `element`.
  template <typename Visit>
  void descend(size_t level, int64_t position, int64_t element, Visit& visit) const {
    if (level == levels_.size()) {
      visit(element, position);
      return;
    }
    const Level& here = levels_[level];
    if (!here.is_compressed) {
      for (int64_t i = 0; i < here.extent; ++i)
        descend(level + 1, position * here.extent + i, element + i * here.step, visit);
      return;
    }
    const auto& segments = here.metadata->array_segments.values;
    const auto& indices = here.metadata->array_indices.values;
    for (int64_t i = segments[position]; i < segments[position + 1]; ++i)
      descend(level + 1, i, element + indices[i] * here.step, visit);
  }

  std::shared_ptr<const Sparsity> sparsity_;
  Shape shape_;
  size_t element_bytes_;
  const std::byte* values_;
  std::shared_ptr<const void> holder_;
  std::vector<Level> levels_;
  int64_t stored_ = 0;
};

}  // namespace subgraft
