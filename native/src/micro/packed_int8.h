// Weights in the order that the kernels of gemm_int8.h read, the same for all instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "micro/gemm_int8.h"

namespace subgraft {

// How the weights of so many channels, and what is known of them, lie in one block of memory: whole blocks of channels,
// their sums, the sums of their magnitudes.
class Int8Order {
 public:
  Int8Order(int64_t channels, int64_t depth);

  int64_t channels() const { return channels_; }
  int64_t depth() const { return depth_; }
  int64_t padded_depth() const { return padded_depth_; }
  int64_t blocks() const { return blocks_; }
  int64_t block_bytes() const { return kInt8Channels * padded_depth_; }
  int64_t bytes() const { return blocks_ * (block_bytes() + 2 * kSumsBytes); }

  // Writes the blocks of `count` channels from `first` on, which begins a block: rows [count, depth] of weights, each
  // xored with `flip`. uint8 weights are stored as w - 128 (their zero point is then 128 less too): flip is 128.
  void pack(const std::byte* weights, uint8_t flip, int64_t first, int64_t count, std::byte* to) const;

 protected:
  int64_t sums_offset() const { return blocks_ * block_bytes(); }
  int64_t magnitudes_offset() const { return sums_offset() + blocks_ * kSumsBytes; }

 private:
  static constexpr int64_t kSumsBytes = kInt8Channels * 4;

  int64_t channels_, depth_, padded_depth_, blocks_;
};

class PackedInt8 : public Int8Order {
 public:
  // packed: bytes() that pack() wrote.
  PackedInt8(const Int8Order& order, std::shared_ptr<const std::byte> packed)
      : Int8Order(order), packed_(std::move(packed)) {}

  const int8_t* block(int64_t i) const { return reinterpret_cast<const int8_t*>(packed_.get() + i * block_bytes()); }
  // Of each channel, zeros behind the last up to whole blocks.
  const int32_t* weight_sums() const { return reinterpret_cast<const int32_t*>(packed_.get() + sums_offset()); }
  // The sum of the weights' magnitudes, or 2^31 - 1 where that is less.
  int64_t magnitude(int64_t channel) const {
    return reinterpret_cast<const int32_t*>(packed_.get() + magnitudes_offset())[channel];
  }

 private:
  std::shared_ptr<const std::byte> packed_;
};

}  // namespace subgraft
