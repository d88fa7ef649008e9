#include "micro/packed_int8.h"

#include <algorithm>
#include <cstring>

#include "micro/pack_int8.h"

namespace subgraft {
namespace {

constexpr int64_t kQuad = 4;  // neighbours along depth that lie together

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// One channel of a block; `row` has whole quads.
void spread(const int8_t* row, int64_t padded_depth, int8_t* to) {
  for (int64_t k = 0; k < padded_depth; k += kQuad) std::memcpy(to + k * kInt8Channels, row + k, kQuad);
}

// Channel by channel, in parts that stay in the fastest cache.
void pack_block(const std::byte* weights, uint8_t flip, int64_t channels, const Int8Order& order, int8_t* to,
                int32_t* sums, int32_t* magnitudes) {
  constexpr int64_t kPart = 256;
  for (int64_t channel = 0; channel < kInt8Channels; ++channel) {
    uint32_t sum = 0;
    int64_t magnitude = 0;
    for (int64_t k = 0; k < order.padded_depth(); k += kPart) {
      int8_t part[kPart] = {};
      const int64_t size = std::min(kPart, order.padded_depth() - k);
      const int64_t there = channel < channels ? std::clamp<int64_t>(order.depth() - k, 0, size) : 0;
      int32_t of_part = 0, magnitude_of_part = 0;
      for (int64_t i = 0; i < there; ++i) {
        const auto w = static_cast<int8_t>(static_cast<uint8_t>(weights[channel * order.depth() + k + i]) ^ flip);
        part[i] = w;
        of_part += w;
        magnitude_of_part += w < 0 ? -w : w;
      }
      spread(part, size, to + channel * kQuad + k * kInt8Channels);
      sum += static_cast<uint32_t>(of_part);
      magnitude += magnitude_of_part;
    }
    sums[channel] = static_cast<int32_t>(sum);
    magnitudes[channel] = static_cast<int32_t>(std::min<int64_t>(magnitude, INT32_MAX));
  }
}

}  // namespace

Int8Order::Int8Order(int64_t channels, int64_t depth)
    : channels_(channels),
      depth_(depth),
      padded_depth_(round_up(depth, kInt8Depth)),
      blocks_(round_up(channels, kInt8Channels) / kInt8Channels) {}

void Int8Order::pack(const std::byte* weights, uint8_t flip, int64_t first, int64_t count, std::byte* to) const {
  auto* blocks = reinterpret_cast<int8_t*>(to + first / kInt8Channels * block_bytes());
  int32_t* sums = reinterpret_cast<int32_t*>(to + sums_offset()) + first;
  int32_t* magnitudes = reinterpret_cast<int32_t*>(to + magnitudes_offset()) + first;
  const PackInt8* vectors = depth_ <= kMostPackedDepth ? pack_int8() : nullptr;
  if (vectors) {
    vectors->weights(weights, flip, count, depth_, blocks, sums, magnitudes);
    return;
  }
  for (int64_t c = 0; c < count; c += kInt8Channels, blocks += block_bytes())
    pack_block(weights + c * depth_, flip, count - c, *this, blocks, sums + c, magnitudes + c);
}

}  // namespace subgraft
