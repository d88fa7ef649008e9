// Matrices that are known only while running, in the order of packed_int8.h.
#pragma once

#include <cstdint>

namespace subgraft {

struct PackInt8 {
  // from: [channels, depth]. Everything up to whole blocks of channels and whole multiples of kInt8Depth is written.
  // sums: of each channel; up to whole blocks.
  void (*rows)(const int8_t* from, int64_t channels, int64_t depth, int8_t* to, int32_t* sums);
  // from: [depth, channels]
  void (*columns)(const int8_t* from, int64_t channels, int64_t depth, int8_t* to, int32_t* sums);
};

const PackInt8* pack_int8();  // null: the reference has to do

}  // namespace subgraft
