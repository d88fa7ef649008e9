#include "kernels/batch_matmul_hybrid.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/int8_layer.h"
#include "micro/pack_int8.h"
#include "micro/quantize_rows.h"

namespace subgraft {
namespace {

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// The packed matrices of a right side that is constant, and what their columns add up to.
struct PackedMatrices {
  struct alignas(64) Line {
    int8_t bytes[64];
  };
  std::vector<Line> weights;
  std::vector<int32_t> sums;
};

class HybridMatmul {
 public:
  HybridMatmul(Preparation& p, const MatmulSizes& s, std::span<const float> scales, bool asymmetric)
      : sizes_(s),
        gemm_(int8_gemm()),
        finish_(finish_sums()),
        quantize_(quantize_rows()),
        pack_(pack_int8()),
        asymmetric_(asymmetric),
        is_signed_(gemm_->multiply_signed && s.rows >= gemm_->least_rows),
        channels_(round_up(s.units, kInt8Channels)),
        depth_(round_up(s.depth, kInt8Depth)),
        stride_(depth_ + (depth_ % 1024 == 0 ? kInt8Depth : 0)),
        rows_(std::clamp<int64_t>(gemm_->rows, gemm_->least_rows, kInt8MaxRows)),
        scales_(scales.begin(), scales.end()) {
    scales_.resize(static_cast<size_t>(channels_));
    if (p.input(1).is_constant()) packed_ = pack_all(p);
    constexpr int64_t kWorthAPiece = 1 << 19;
    pieces_ =
        std::clamp<int64_t>(std::min(s.batches * s.rows * s.units * s.depth / kWorthAPiece, s.batches), 1, p.threads());
    scratch_ = p.scratch(pieces_ * piece_bytes());
  }

  void run(const Invocation& v) const {
    v.parallel(pieces_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) run_piece(v, piece);
    });
  }

 private:
  uint8_t flip() const { return is_signed_ ? 0 : 0x80; }
  int64_t weight_bytes() const { return channels_ * depth_; }
  int64_t channel_bytes() const { return round_up(channels_ * 4, 64); }
  int64_t panel_bytes() const { return round_up(rows_ * stride_ + kInt8Depth, 64); }
  int64_t row_bytes() const { return round_up(sizes_.left_transposed ? sizes_.depth * 4 : 0, 64); }
  int64_t packed_bytes_of_piece() const { return packed_ ? 0 : weight_bytes() + channel_bytes(); }
  int64_t piece_bytes() const { return packed_bytes_of_piece() + panel_bytes() + row_bytes() + kInt8SumBytes; }

  void pack(const int8_t* right, int8_t* weights, int32_t* sums) const {
    (sizes_.right_transposed ? pack_->rows : pack_->columns)(right, sizes_.units, sizes_.depth, weights, sums);
  }

  std::shared_ptr<const PackedMatrices> pack_all(Preparation& p) const {
    const auto* right = reinterpret_cast<const int8_t*>(p.input(1).constant);
    auto packed = p.shared<PackedMatrices>(1, sizes_.right_transposed ? "hybrid rows" : "hybrid columns", [&] {
      PackedMatrices made;
      made.weights.resize(static_cast<size_t>(sizes_.right_matrices * weight_bytes() / 64));
      made.sums.resize(static_cast<size_t>(sizes_.right_matrices * channels_));
      for (int64_t i = 0; i < sizes_.right_matrices; ++i)
        pack(right + i * sizes_.depth * sizes_.units, made.weights[0].bytes + i * weight_bytes(),
             made.sums.data() + i * channels_);
      return made;
    });
    p.release(1);
    return packed;
  }

  void run_piece(const Invocation& v, int64_t piece) const {
    std::byte* memory = v.scratch<std::byte>(scratch_) + piece * piece_bytes();
    auto* weights = reinterpret_cast<int8_t*>(memory);
    auto* sums = reinterpret_cast<int32_t*>(memory + weight_bytes());
    std::byte* rest = memory + packed_bytes_of_piece();
    int64_t packed = -1;
    if (gemm_->begin) gemm_->begin();
    for (int64_t batch = sizes_.batches * piece / pieces_; batch < sizes_.batches * (piece + 1) / pieces_; ++batch) {
      const auto [left, right] = sizes_.matrices(batch);
      if (!packed_ && right != packed) pack(v.in<int8_t>(1) + right * sizes_.depth * sizes_.units, weights, sums);
      packed = right;
      const Matrix matrix =
          packed_ ? Matrix{packed_->weights[0].bytes + right * weight_bytes(), packed_->sums.data() + right * channels_}
                  : Matrix{weights, sums};
      multiply(v.in<float>(0) + left * sizes_.rows * sizes_.depth, matrix, rest,
               v.out<float>(0) + batch * sizes_.rows * sizes_.units);
    }
    if (gemm_->end) gemm_->end();
  }

  struct Matrix {
    const int8_t* weights;
    const int32_t* sums;  // of each unit
  };
  void multiply(const float* left, const Matrix& matrix, std::byte* memory, float* out) const {
    auto* panel = reinterpret_cast<uint8_t*>(memory);
    auto* spare = reinterpret_cast<float*>(memory + panel_bytes());
    auto* sums = reinterpret_cast<int32_t*>(memory + panel_bytes() + row_bytes());
    const float most = std::numeric_limits<float>::infinity();
    float row_scales[kInt8MaxRows];
    int32_t row_zeros[kInt8MaxRows];
    for (int64_t row = 0; row < sizes_.rows; row += rows_) {
      const int64_t rows = std::min(rows_, sizes_.rows - row);
      for (int64_t r = 0; r < rows; ++r)
        quantize(row_of(left, row + r, spare), panel + r * stride_, row_scales[r], row_zeros[r]);
      for (int64_t channel = 0; channel < channels_; channel += kInt8ChunkBlocks * kInt8Channels) {
        const int64_t channels = std::min(kInt8ChunkBlocks * kInt8Channels, channels_ - channel);
        (is_signed_ ? gemm_->multiply_signed
                    : gemm_->multiply_unsigned)({panel, stride_, rows, sizes_.depth, matrix.weights + channel * depth_,
                                                 channels / kInt8Channels, nullptr, sums, channels});
        const bool centered = is_signed_ && !asymmetric_;
        const FloatScale scale{scales_.data() + channel,
                               row_scales,
                               centered ? nullptr : row_zeros,
                               matrix.sums + channel,
                               nullptr,
                               -most,
                               most,
                               false};
        finish_->to_float({sums, channels, rows, std::min(channels, sizes_.units - channel), nullptr}, scale,
                          out + row * sizes_.units + channel, sizes_.units);
      }
    }
  }

  const float* row_of(const float* left, int64_t row, float* spare) const {
    if (!sizes_.left_transposed) return left + row * sizes_.depth;
    for (int64_t k = 0; k < sizes_.depth; ++k) spare[k] = left[k * sizes_.rows + row];
    return spare;
  }

  void quantize(const float* values, uint8_t* to, float& scale, int32_t& zero) const {
    float low, high, inverse;
    quantize_->range(values, sizes_.depth, low, high);
    (asymmetric_ ? quantize_->asymmetric : quantize_->symmetric)({&low, &high, 1, &scale, &zero, &inverse});
    if (asymmetric_ && low == high)
      std::fill_n(to, sizes_.depth, flip());
    else
      quantize_->quantize(values, sizes_.depth, inverse, zero, asymmetric_ ? -128 : -127, flip(), to);
    zero += flip();
  }

  MatmulSizes sizes_;
  const Int8Gemm* gemm_;
  const FinishSums* finish_;
  const QuantizeRows* quantize_;
  const PackInt8* pack_;
  bool asymmetric_, is_signed_;
  int64_t channels_, depth_, stride_;  // units in whole blocks; padded depth; bytes from row to row of the panel
  int64_t rows_;                       // of a panel
  std::vector<float> scales_;
  std::shared_ptr<const PackedMatrices> packed_;  // null: the right side is packed while running
  int64_t pieces_ = 1;
  int scratch_ = -1;
};

}  // namespace

Compute matmul_hybrid_on_vectors(Preparation& p, const MatmulSizes& s, std::span<const float> scales, bool asymmetric) {
  constexpr int64_t kMostDepth = 1 << 24;  // so that offsets in a panel are small numbers
  if (!int8_gemm() || !pack_int8() || !quantize_rows() || s.depth == 0 || s.depth > kMostDepth) return {};
  return [matmul = std::make_shared<const HybridMatmul>(p, s, scales, asymmetric)](const Invocation& v) {
    matmul->run(v);
  };
}

}  // namespace subgraft
