#include "kernels/batch_matmul_int8.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "kernels/int8_layer.h"
#include "micro/pack_int8.h"

namespace subgraft {
namespace {

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

uint32_t bits(int64_t value) { return static_cast<uint32_t>(value); }

// Both sides are known only while running: the right one is packed for each matrix of the result.
class Int8Matmul {
 public:
  Int8Matmul(Preparation& p, const MatmulSizes& s, Multiplier multiplier, Range<int32_t> range)
      : sizes_(s),
        gemm_(int8_gemm()),
        finish_(finish_sums()),
        pack_(pack_int8()),
        w_zero_(p.input(1).zero_point()),
        out_zero_(p.output(0).zero_point()),
        range_(range),
        is_signed_(gemm_->multiply_signed && w_zero_ == 0 && s.rows >= gemm_->least_rows),
        flip_(is_signed_ ? 0 : 0x80),
        x_zero_(p.input(0).zero_point() + flip_),
        channels_(round_up(s.units, kInt8Channels)),
        depth_(round_up(s.depth, kInt8Depth)),
        stride_(depth_ + (depth_ % 1024 == 0 ? kInt8Depth : 0)),
        rows_(std::clamp<int64_t>(gemm_->rows, gemm_->least_rows, kInt8MaxRows)),
        multipliers_(channels_, multiplier.value),
        shifts_(channels_, multiplier.shift) {
    prepare_quick(multiplier);
    constexpr int64_t kWorthAThread = 4 << 20;
    pieces_ = std::clamp<int64_t>(std::min(s.batches * s.rows * s.units * s.depth / kWorthAThread, s.batches), 1,
                                  p.threads());
    scratch_ = p.scratch(pieces_ * piece_bytes());
  }

  void run(const Invocation& v) const {
    v.parallel(pieces_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) run_piece(v, piece);
    });
  }

 private:
  // Whether finish_sums.h's QuickScale is exact for the largest sum there can be.
  void prepare_quick(Multiplier multiplier) {
    constexpr double kUnit = 1 << kQuickBits, kMostUnits = 1 << 30;
    const double real = std::ldexp(multiplier.value, multiplier.shift - 31);
    const double most = 255.0 * 255.0 * static_cast<double>(sizes_.depth);
    if (most > INT32_MAX || most * real * kUnit > kMostUnits || multiplier.shift > 0) return;
    quick_scales_.assign(channels_, static_cast<float>(real * kUnit));
    const double offset = multiplier.shift < 0 ? std::ldexp(kUnit, multiplier.shift - 1) : 0;
    quick_offsets_.assign(channels_, static_cast<float>(offset));
  }

  int64_t weight_bytes() const { return channels_ * depth_; }
  int64_t channel_bytes() const { return channels_ * static_cast<int64_t>(sizeof(int32_t)); }
  int64_t panel_bytes() const { return round_up(rows_ * stride_ + kInt8Depth, 64); }
  int64_t piece_bytes() const { return weight_bytes() + channel_bytes() + panel_bytes() + kInt8SumBytes; }

  void run_piece(const Invocation& v, int64_t piece) const {
    std::byte* memory = v.scratch<std::byte>(scratch_) + piece * piece_bytes();
    const Memory m{reinterpret_cast<int8_t*>(memory), reinterpret_cast<int32_t*>(memory + weight_bytes()),
                   reinterpret_cast<uint8_t*>(memory + weight_bytes() + channel_bytes()),
                   reinterpret_cast<int32_t*>(memory + weight_bytes() + channel_bytes() + panel_bytes())};
    if (gemm_->begin) gemm_->begin();
    int64_t packed = -1;
    for (int64_t batch = sizes_.batches * piece / pieces_; batch < sizes_.batches * (piece + 1) / pieces_; ++batch) {
      const auto [left, right] = sizes_.matrices(batch);
      if (right != packed) pack(v.in<int8_t>(1) + right * sizes_.depth * sizes_.units, m);
      packed = right;
      multiply(v.in<uint8_t>(0) + left * sizes_.rows * sizes_.depth, m,
               v.out<int8_t>(0) + batch * sizes_.rows * sizes_.units);
    }
    if (gemm_->end) gemm_->end();
  }

  struct Memory {
    int8_t* weights;
    int32_t* initial;
    uint8_t* panel;
    int32_t* sums;
  };

  void pack(const int8_t* right, const Memory& m) const {
    (sizes_.right_transposed ? pack_->rows : pack_->columns)(right, sizes_.units, sizes_.depth, m.weights, m.initial);
    const uint32_t both = bits(sizes_.depth) * bits(x_zero_) * bits(w_zero_);
    for (int64_t c = 0; c < channels_; ++c)
      m.initial[c] = static_cast<int32_t>(both - bits(x_zero_) * bits(m.initial[c]));
  }

  void multiply(const uint8_t* left, const Memory& m, int8_t* out) const {
    for (int64_t row = 0; row < sizes_.rows; row += rows_) {
      const int64_t rows = std::min(rows_, sizes_.rows - row);
      copy_rows(left, row, rows, m.panel);
      int32_t terms[kInt8MaxRows];
      if (w_zero_ != 0) gemm_->sum_rows(m.panel, stride_, rows, sizes_.depth, -w_zero_, terms);
      for (int64_t channel = 0; channel < channels_; channel += kInt8ChunkBlocks * kInt8Channels) {
        const int64_t channels = std::min(kInt8ChunkBlocks * kInt8Channels, channels_ - channel);
        (is_signed_ ? gemm_->multiply_signed
                    : gemm_->multiply_unsigned)({m.panel, stride_, rows, sizes_.depth, m.weights + channel * depth_,
                                                 channels / kInt8Channels, m.initial + channel, m.sums, channels});
        const SumBlock block{m.sums, channels, rows, std::min(channels, sizes_.units - channel),
                             w_zero_ != 0 ? terms : nullptr};
        finish(block, out + row * sizes_.units + channel);
      }
    }
  }

  void copy_rows(const uint8_t* left, int64_t row, int64_t rows, uint8_t* panel) const {
    const int64_t depth = sizes_.depth;
    if (!sizes_.left_transposed) {
      gemm_->copy_runs({left + row * depth, rows, depth, 1, 0, 1, 0, depth, flip_, panel, stride_});
      return;
    }
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t r = 0; r < rows; ++r) panel[r * stride_ + k] = left[k * sizes_.rows + row + r] ^ flip_;
  }

  void finish(const SumBlock& block, int8_t* out) const {
    const QuickScale quick{quick_scales_.empty() ? nullptr : quick_scales_.data(),
                           quick_offsets_.empty() ? nullptr : quick_offsets_.data(), range_.min < out_zero_};
    const FixedScale scale{nullptr, multipliers_.data(), shifts_.data(), out_zero_, range_.min, range_.max, quick};
    finish_->fixed_to_int8(block, scale, out, sizes_.units);
  }

  MatmulSizes sizes_;
  const Int8Gemm* gemm_;
  const FinishSums* finish_;
  const PackInt8* pack_;
  int32_t w_zero_, out_zero_;
  Range<int32_t> range_;
  bool is_signed_;
  uint8_t flip_;  // what bytes of the left side are xored with
  int32_t x_zero_;
  int64_t channels_, depth_, stride_;  // units in whole blocks; padded depth; bytes from row to row of the panel
  int64_t rows_;                       // of a panel
  std::vector<int32_t> multipliers_, shifts_;
  std::vector<float> quick_scales_, quick_offsets_;
  int64_t pieces_ = 1;
  int scratch_ = -1;
};

}  // namespace

Compute matmul_int8_on_vectors(Preparation& p, const MatmulSizes& s, Multiplier multiplier, Range<int32_t> range) {
  constexpr int64_t kMostDepth = 1 << 24;  // so that offsets in a panel are small numbers
  if (!int8_gemm() || !pack_int8() || s.depth == 0 || s.depth > kMostDepth) return {};
  return
      [matmul = std::make_shared<const Int8Matmul>(p, s, multiplier, range)](const Invocation& v) { matmul->run(v); };
}

}  // namespace subgraft
