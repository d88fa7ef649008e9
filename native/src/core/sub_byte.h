// Elements of 4 or 2 bits, packed into bytes with the first element in the lowest bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace subgraft {

// Signed elements of 4 or 2 bits as one byte each. `packed` holds count * bits / 8 bytes, rounded up.
inline std::vector<int8_t> unpack_signed(const std::byte* packed, int bits, int64_t count) {
  const int per_byte = 8 / bits;
  std::vector<int8_t> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const int left = 8 - bits * static_cast<int>(i % per_byte + 1);
    const auto top = static_cast<int8_t>(static_cast<uint8_t>(packed[i / per_byte]) << left);
    values[i] = static_cast<int8_t>(top >> (8 - bits));
  }
  return values;
}

}  // namespace subgraft
