// Numbers of 16 bits taken apart into bytes, for products of 8 bits, and the sums of these put together.
#pragma once

#include <cstdint>

namespace subgraft {

// x = 256 * high + low.
struct Int16Bytes {
  void (*split)(const int16_t* x, int64_t count, int8_t* high, uint8_t* low);
  // 256 * high + low, modulo 2^32 or in 64 bits; `count` is a multiple of 16.
  void (*combine32)(const int32_t* high, const int32_t* low, int64_t count, int32_t* sums);
  void (*combine64)(const int32_t* high, const int32_t* low, int64_t count, int64_t* sums);
};

const Int16Bytes* int16_bytes();  // null: there are none

}  // namespace subgraft
