// Products of 16-bit activations with constant 8-bit weights on vectors: what CONV_2D, TRANSPOSE_CONV and
// FULLY_CONNECTED of such types share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/fixed_point.h"
#include "micro/finish_sums.h"
#include "micro/gemm_int16.h"
#include "runtime/kernel.h"

namespace subgraft {

// Weights in the order that gemm_int16.h reads, channels in blocks; zeros at first.
class PackedInt16 {
 public:
  // `run` is rounded up to an even number.
  PackedInt16(int64_t channels, int64_t runs, int64_t run);

  // `count` weights of a run from element `first` on.
  void set(int64_t channel, int64_t run, int64_t first, const int8_t* weights, int64_t count);

  int64_t channels() const { return channels_; }
  int64_t blocks() const { return (channels_ + kInt16Channels - 1) / kInt16Channels; }
  int64_t depth() const { return runs_ * run_; }
  int64_t runs() const { return runs_; }
  int64_t run() const { return run_; }
  const int8_t* block(int64_t i) const { return data_.data() + i * depth() * kInt16Channels; }

 private:
  int64_t channels_, runs_, run_;
  std::vector<int8_t> data_;
};

// The last step of such an op, by the type of its bias (int32: sums of 32 bits) and how the reference scales.
class FinishInt16 {
 public:
  // Of fixed point multipliers, or of scales in double precision. Has no value where the bias is not constant, sums
  // have 32 bits, or the machine lacks the kernels.
  static std::optional<FinishInt16> make(const Preparation& p, int bias, bool sums_in_32_bits,
                                         const std::vector<Multiplier>& multipliers, Range<int32_t> range);
  static std::optional<FinishInt16> make(const Preparation& p, int bias, bool sums_in_32_bits,
                                         const std::vector<double>& scales, Range<int32_t> range);

  bool sums_in_32_bits() const { return narrow_; }
  // Sums from `channel` on; is_wide says that they are int64_t.
  void operator()(const void* sums, bool is_wide, int64_t stride, int64_t rows, int64_t channel, int64_t channels,
                  int16_t* out, int64_t out_stride) const;

 private:
  bool prepare(const Preparation& p, int bias, bool sums_in_32_bits, Range<int32_t> range);

  bool narrow_ = false;
  Range<int32_t> range_;
  const FinishWide* wide_ = nullptr;
  const FinishSums* sums_ = nullptr;
  std::vector<int32_t> bias32_;  // all of these with zeros behind the last channel, to the end of a vector
  std::vector<int64_t> bias64_;
  std::vector<int32_t> multipliers32_, shifts32_;
  std::vector<int64_t> multipliers64_, shifts64_;
  std::vector<double> scales_;
};

// Rows of activations that a product reads: pointers to the parts of each.
class Int16Rows {
 public:
  static constexpr int64_t kPointers = 2048;    // of one product
  static constexpr int64_t kCopied = 8 * 1024;  // elements, of rows that are copied

  // Whether rows of such weights have room; how many of them.
  static int64_t rows_of(int64_t runs, int64_t run, bool copied) {
    const int64_t rows = std::min<int64_t>(kPointers / runs, copied ? kCopied / (runs * run) : kInt16Rows);
    return std::min<int64_t>(rows, kInt16Rows);
  }

  const int16_t* pointers[kPointers];
  alignas(64) int16_t copies[kCopied];
};

// Multiplies rows with the channels of a group from block `first` to `last`, and hands the sums to `finish`.
void multiply_int16(const Int16Gemm& gemm, const PackedInt16& weights, const Int16Rows& x, int64_t rows, int64_t runs,
                    int64_t first, int64_t last, const FinishInt16& finish, int64_t first_channel, int16_t* out,
                    int64_t out_stride);

}  // namespace subgraft
