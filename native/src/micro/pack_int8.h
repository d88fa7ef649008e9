// Matrices brought into the order of packed_int8.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace subgraft {

// So many magnitudes of 8 bits, up to 128, have a sum of 31 bits.
inline constexpr int64_t kMostPackedDepth = (1 << 24) - 1;

struct PackInt8 {
  // from: [channels, depth]. Everything up to whole blocks of channels and whole multiples of kInt8Depth is written.
  // sums: of each channel; up to whole blocks.
  void (*rows)(const int8_t* from, int64_t channels, int64_t depth, int8_t* to, int32_t* sums);
  // from: [depth, channels]
  void (*columns)(const int8_t* from, int64_t channels, int64_t depth, int8_t* to, int32_t* sums);
  // As rows(), of bytes that are xored with `flip`; also the sums of the magnitudes. depth: at most kMostPackedDepth.
  void (*weights)(const std::byte* from, uint8_t flip, int64_t channels, int64_t depth, int8_t* to, int32_t* sums,
                  int32_t* magnitudes);
};

const PackInt8* pack_int8();  // null: the reference has to do

}  // namespace subgraft
