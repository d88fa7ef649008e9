#include "micro/packed_int8.h"

#include <cstring>
#include <new>

namespace subgraft {
namespace {

constexpr std::align_val_t kAlignment{64};

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

void PackedInt8::Release::operator()(int8_t* data) const { ::operator delete[](data, kAlignment); }

PackedInt8::PackedInt8(int64_t channels, int64_t depth)
    : channels_(channels),
      depth_(depth),
      padded_depth_(round_up(depth, kInt8Depth)),
      blocks_(round_up(channels, kInt8Channels) / kInt8Channels),
      sums_(blocks_ * kInt8Channels),
      magnitudes_(channels) {
  const int64_t bytes = blocks_ * kInt8Channels * padded_depth_;
  data_.reset(static_cast<int8_t*>(::operator new[](bytes, kAlignment)));
  std::memset(data_.get(), 0, bytes);
}

PackedInt8::PackedInt8(const int8_t* weights, int64_t channels, int64_t depth) : PackedInt8(channels, depth) {
  for (int64_t channel = 0; channel < channels; ++channel) set(channel, weights + channel * depth);
}

template <typename Value>
void PackedInt8::store(int64_t channel, Value value) {
  constexpr int64_t kQuad = 4;
  int8_t* to = data_.get() + channel / kInt8Channels * kInt8Channels * padded_depth_ + channel % kInt8Channels * kQuad;
  uint32_t sum = 0;
  int64_t magnitude = 0;
  for (int64_t k = 0; k < depth_; ++k) {
    const int8_t w = value(k);
    to[k / kQuad * kQuad * kInt8Channels + k % kQuad] = w;
    sum += static_cast<uint32_t>(int32_t{w});
    magnitude += w < 0 ? -w : w;
  }
  sums_[channel] = static_cast<int32_t>(sum);
  magnitudes_[channel] = magnitude;
}

void PackedInt8::set(int64_t channel, const int8_t* weights) {
  store(channel, [=](int64_t k) { return weights[k]; });
}

void PackedInt8::set(int64_t channel, const uint8_t* weights) {
  store(channel, [=](int64_t k) { return static_cast<int8_t>(weights[k] ^ 0x80); });
}

}  // namespace subgraft
