// Weights in the order that the kernels of gemm_int8.h read, the same for all instruction sets.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "micro/gemm_int8.h"

namespace subgraft {

class PackedInt8 {
 public:
  // Room for weights [channels, depth], zeros at first.
  PackedInt8(int64_t channels, int64_t depth);
  // Row-major int8 weights.
  PackedInt8(const int8_t* weights, int64_t channels, int64_t depth);

  // Row `channel`; uint8 weights are stored as w - 128 (their zero point is then 128 less too).
  void set(int64_t channel, const int8_t* weights);
  void set(int64_t channel, const uint8_t* weights);

  int64_t channels() const { return channels_; }
  int64_t depth() const { return depth_; }
  int64_t padded_depth() const { return padded_depth_; }
  int64_t blocks() const { return blocks_; }
  const int8_t* block(int64_t i) const { return data_.get() + i * kInt8Channels * padded_depth_; }
  // Of each channel, zeros behind the last up to whole blocks.
  const int32_t* weight_sums() const { return sums_.data(); }
  // The sum of the weights' magnitudes.
  int64_t magnitude(int64_t channel) const { return magnitudes_[channel]; }

 private:
  struct Release {
    void operator()(int8_t* data) const;
  };
  template <typename Value>
  void store(int64_t channel, Value value);

  int64_t channels_, depth_, padded_depth_, blocks_;
  std::unique_ptr<int8_t[], Release> data_;
  std::vector<int32_t> sums_;
  std::vector<int64_t> magnitudes_;
};

}  // namespace subgraft
