// Elements of 4 or 2 bits, packed into bytes with the first element in the lowest bits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/dtype.h"

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

// Elements of int4, uint4 or int2 as a byte each, sign and all.
inline void unpack_bytes(const std::byte* packed, DType type, int64_t count, std::byte* values) {
  const int bits = dtype_bits(type), per_byte = 8 / bits;
  const unsigned sign = type == DType::uint4 ? 0u : 1u << (bits - 1);
  for (int64_t i = 0; i < count; ++i) {
    const unsigned raw = static_cast<unsigned>(packed[i / per_byte]) >> (i % per_byte * bits) & ((1u << bits) - 1);
    values[i] = static_cast<std::byte>((raw ^ sign) - sign);
  }
}

// The other way round. What does not fit becomes the nearest that does; bits behind the last element are 0.
inline void pack_bytes(const std::byte* values, DType type, int64_t count, std::byte* packed) {
  const int bits = dtype_bits(type), per_byte = 8 / bits;
  const bool is_signed = type != DType::uint4;
  const int low = is_signed ? -(1 << (bits - 1)) : 0, high = low + (1 << bits) - 1;
  for (int64_t i = 0; i < count; ++i) {
    const int value = is_signed ? static_cast<int8_t>(values[i]) : static_cast<uint8_t>(values[i]);
    const unsigned raw = static_cast<unsigned>(std::clamp(value, low, high)) & ((1u << bits) - 1);
    const int64_t at = i / per_byte;
    const int shift = static_cast<int>(i % per_byte) * bits;
    packed[at] = static_cast<std::byte>((shift ? static_cast<unsigned>(packed[at]) : 0u) | raw << shift);
  }
}

// One element of `bits` bits. Those of a byte are to be written in order: the first clears the others.
inline void copy_packed(const std::byte* in, int64_t from, std::byte* out, int64_t to, int bits) {
  const int per_byte = 8 / bits;
  const unsigned raw = static_cast<unsigned>(in[from / per_byte]) >> (from % per_byte * bits) & ((1u << bits) - 1);
  const auto shift = static_cast<int>(to % per_byte) * bits;
  out[to / per_byte] = static_cast<std::byte>((shift ? static_cast<unsigned>(out[to / per_byte]) : 0u) | raw << shift);
}

}  // namespace subgraft
