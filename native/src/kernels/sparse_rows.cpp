#include "kernels/sparse_rows.h"

namespace subgraft {

bool has_blocks(const SparseConstant& constant, int64_t depth) {
  return constant.run() % kSparseBlock == 0 && depth % kSparseBlock == 0;
}

SparsePlaces sort_places(const SparseConstant& constant, int64_t depth, int block) {
  SparsePlaces sorted;
  const auto rows = static_cast<size_t>(constant.shape()[0]);
  const auto starts_block = [&](int64_t element) { return element % depth % block == 0; };

  std::vector<uint32_t> begins(rows + 1);
  constant.each([&](int64_t element, int64_t) {
    if (starts_block(element)) ++begins[static_cast<size_t>(element / depth) + 1];
  });
  for (size_t row = 0; row < rows; ++row) begins[row + 1] += begins[row];
  sorted.places.resize(begins[rows]);
  std::vector<uint32_t> next(begins.begin(), begins.end() - 1);
  constant.each([&](int64_t element, int64_t value) {
    if (starts_block(element))
      sorted.places[next[static_cast<size_t>(element / depth)]++] = {static_cast<uint16_t>(element % depth), value};
  });

  const auto by_column = [](const SparsePlace& a, const SparsePlace& b) { return a.column < b.column; };
  auto end = sorted.places.begin();
  sorted.first.push_back(0);
  for (size_t row = 0; row < rows; ++row) {
    const auto row_begin = sorted.places.begin() + begins[row], row_end = sorted.places.begin() + begins[row + 1];
    if (!std::is_sorted(row_begin, row_end, by_column)) std::stable_sort(row_begin, row_end, by_column);
    for (auto place = row_begin; place != row_end; ++place) {
      const bool is_replaced = std::next(place) != row_end && std::next(place)->column == place->column;
      if (!is_replaced) *end++ = *place;
    }
    sorted.first.push_back(static_cast<uint32_t>(end - sorted.places.begin()));
  }
  sorted.places.erase(end, sorted.places.end());
  return sorted;
}

}  // namespace subgraft
