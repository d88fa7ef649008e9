// Rows of a table that are picked by their numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace subgraft {

// The first of `count` indices outside [0, limit), or null. All are looked at together, which goes on vectors; one by
// one only where some index is wrong.
template <typename Index>
const Index* find_outside(const Index* indices, int64_t count, int64_t limit) {
  using Bits = std::make_unsigned_t<Index>;
  const auto last = static_cast<Bits>(std::min<int64_t>(limit - 1, std::numeric_limits<Index>::max()));
  Bits signs = 0;  // the highest bit: of an index, or of what is left up to the last row, that is negative
  for (int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<Bits>(indices[i]);
    signs = static_cast<Bits>(signs | index | static_cast<Bits>(last - index));
  }
  if (static_cast<Index>(signs) >= 0) return nullptr;
  return std::find_if(indices, indices + count, [limit](Index index) { return index < 0 || index >= limit; });
}

template <int64_t bytes, typename Index>
void pick_rows_of(const std::byte* table, const Index* indices, int64_t count, std::byte* out) {
  for (int64_t i = 0; i < count; ++i) std::memcpy(out + i * bytes, table + int64_t{indices[i]} * bytes, bytes);
}

// out[i] = table[indices[i]], in rows of so many bytes; short rows by copies that need no call.
template <typename Index>
void pick_rows(const std::byte* table, int64_t row_bytes, const Index* indices, int64_t count, std::byte* out) {
  switch (row_bytes) {
    case 1:
      return pick_rows_of<1>(table, indices, count, out);
    case 2:
      return pick_rows_of<2>(table, indices, count, out);
    case 4:
      return pick_rows_of<4>(table, indices, count, out);
    case 8:
      return pick_rows_of<8>(table, indices, count, out);
    case 16:
      return pick_rows_of<16>(table, indices, count, out);
    case 32:
      return pick_rows_of<32>(table, indices, count, out);
    case 64:
      return pick_rows_of<64>(table, indices, count, out);
    case 128:
      return pick_rows_of<128>(table, indices, count, out);
    default:
      for (int64_t i = 0; i < count; ++i)
        std::memcpy(out + i * row_bytes, table + int64_t{indices[i]} * row_bytes, static_cast<size_t>(row_bytes));
  }
}

}  // namespace subgraft
