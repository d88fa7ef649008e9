// find_best.h for any instruction set, whose vectors of bytes are included before.
#pragma once

#include "micro/find_best.h"

namespace subgraft {
namespace {

constexpr int64_t kBytes = sizeof(Bytes);

// The last of its pieces overlaps the one before.
inline int64_t find_in_row(const uint8_t* row, int64_t size, Bytes flip) {
  const int64_t last = size - kBytes;
  Bytes least = flipped(load_bytes(row + last), flip);
  for (int64_t i = 0; i < last; i += kBytes) least = lesser(least, flipped(load_bytes(row + i), flip));
  const Bytes wanted = flipped(broadcast_byte(smallest(least)), flip);
  for (int64_t i = 0; i < last; i += kBytes)
    if (const int64_t found = first_equal(load_bytes(row + i), wanted); found < kBytes) return i + found;
  return last + first_equal(load_bytes(row + last), wanted);
}

inline int64_t find_in_short_row(const uint8_t* row, int64_t size, uint8_t flip) {
  int64_t best = 0;
  for (int64_t i = 1; i < size; ++i)
    if ((row[i] ^ flip) < (row[best] ^ flip)) best = i;
  return best;
}

void find_bytes(const uint8_t* in, int64_t rows, int64_t size, uint8_t flip, void* out, bool wide) {
  const Bytes flips = broadcast_byte(flip);
  for (int64_t i = 0; i < rows; ++i, in += size) {
    const int64_t found = size < kBytes ? find_in_short_row(in, size, flip) : find_in_row(in, size, flips);
    if (wide)
      static_cast<int64_t*>(out)[i] = found;
    else
      static_cast<int32_t*>(out)[i] = static_cast<int32_t>(found);
  }
}

constexpr FindBest kFindBest{find_bytes};

}  // namespace
}  // namespace subgraft
