#include "kernels/hybrid_layer.h"

#include <algorithm>
#include <memory>

#include "kernels/dynamic_range.h"
#include "kernels/int8_layer.h"
#include "kernels/weights.h"
#include "micro/quantize_rows.h"

namespace subgraft {
namespace {

constexpr int64_t kBlockRows = 64;  // of one block of outputs

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

class HybridLayer {
 public:
  HybridLayer(Preparation& p, const HybridSizes& s, std::span<const float> scales, bool asymmetric, Range<float> range)
      : sizes_(s),
        gemm_(int8_gemm()),
        finish_(finish_sums()),
        quantize_(quantize_rows()),
        weights_(packed_weights(p, 1, s.units, s.depth, 0)),
        asymmetric_(asymmetric),
        range_(range),
        scales_(scales.begin(), scales.end()) {
    scales_.resize(round_up(s.units, kInt8Channels));
    if (has_bias(p, 2, DType::float32, s.units)) {
      const auto* bias = reinterpret_cast<const float*>(p.input(2).constant);
      bias_.assign(bias, bias + s.units);
      bias_.resize(scales_.size());
    }
    is_signed_ = gemm_->multiply_signed && s.rows >= gemm_->least_rows;
    stride_ = round_up(s.depth, kInt8Depth) + (s.depth % 1024 == 0 ? kInt8Depth : 0);
    block_rows_ = std::min<int64_t>(kBlockRows, std::max(gemm_->rows, gemm_->least_rows));
    divide(p.threads());
    scratch_ = p.scratch(pieces_ * piece_bytes());
    if (s.image_rows > 1) ranges_ = p.scratch(s.rows / s.image_rows * static_cast<int64_t>(sizeof(InputRange)));
  }

  void run(const Invocation& v) const {
    const int64_t image = sizes_.image_rows * sizes_.depth;
    for (int64_t i = 0; sizes_.image_rows > 1 && i < sizes_.rows / sizes_.image_rows; ++i) {
      InputRanges range;
      range_of(v.in<float>(0) + i * image, 1, image, range);
      v.scratch<InputRange>(ranges_)[i] = range.of(0);
    }
    v.parallel(pieces_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) run_piece(v, piece);
    });
  }

 private:
  // Pieces of rows or, where those are few, of blocks of channels, for which each piece quantizes all rows; about 5 us
  // of work each.
  void divide(int threads) {
    constexpr int64_t kWorthAPiece = 1 << 21, kLeastRows = 16, kOfOneValue = 64;  // products that quantizing costs
    const int64_t products = sizes_.units * sizes_.depth;
    by_rows_ = sizes_.rows >= kLeastRows * 2;
    const int64_t work = sizes_.rows * (by_rows_ ? products + kOfOneValue * (sizes_.units + sizes_.depth) : products);
    const int64_t most = by_rows_ ? sizes_.rows / kLeastRows : weights_->blocks();
    pieces_ = std::clamp<int64_t>(std::min(work / kWorthAPiece, most), 1, threads);
  }
  int64_t panel_bytes() const { return round_up(block_rows_ * stride_, 64); }
  int64_t piece_bytes() const { return panel_bytes() + kInt8SumBytes; }

  // How rows are quantized; images of several rows have one range.
  struct InputRange {
    float scale, inverse;
    int32_t zero;
    bool is_empty;
  };
  struct InputRanges {
    float lows[kBlockRows], highs[kBlockRows], scales[kBlockRows], inverses[kBlockRows];
    int32_t zeros[kBlockRows];

    InputRange of(int64_t i) const { return {scales[i], inverses[i], zeros[i], lows[i] == highs[i]}; }
  };
  // Of up to kBlockRows times `count` neighbours.
  void range_of(const float* values, int64_t rows, int64_t count, InputRanges& to) const {
    quantize_->ranges(values, rows, count, to.lows, to.highs);
    (asymmetric_ ? quantize_->asymmetric
                 : quantize_->symmetric)({to.lows, to.highs, rows, to.scales, to.zeros, to.inverses});
  }
  void ranges_of_rows(const Invocation& v, int64_t row, int64_t rows, InputRanges& to) const {
    if (sizes_.image_rows == 1) return range_of(v.in<float>(0) + row * sizes_.depth, rows, sizes_.depth, to);
    for (int64_t r = 0; r < rows; ++r) {
      const InputRange range = v.scratch<InputRange>(ranges_)[(row + r) / sizes_.image_rows];
      to.scales[r] = range.scale;
      to.inverses[r] = range.inverse;
      to.zeros[r] = range.zero;
      to.lows[r] = 0;
      to.highs[r] = range.is_empty ? 0 : 1;
    }
  }
  void quantize_row(const InputRange& range, const float* row, uint8_t flip, uint8_t* to) const {
    if (asymmetric_ && range.is_empty)
      std::fill(to, to + sizes_.depth, flip);
    else
      quantize_->quantize(row, sizes_.depth, range.inverse, range.zero, asymmetric_ ? -128 : -127, flip, to);
  }

  void run_piece(const Invocation& v, int64_t piece) const {
    const int64_t blocks = weights_->blocks();
    const int64_t row_begin = by_rows_ ? sizes_.rows * piece / pieces_ : 0;
    const int64_t row_end = by_rows_ ? sizes_.rows * (piece + 1) / pieces_ : sizes_.rows;
    const int64_t block_begin = by_rows_ ? 0 : blocks * piece / pieces_;
    const int64_t block_end = by_rows_ ? blocks : blocks * (piece + 1) / pieces_;
    uint8_t* panel = v.scratch<uint8_t>(scratch_) + piece * piece_bytes();
    auto* sums = reinterpret_cast<int32_t*>(panel + panel_bytes());
    const uint8_t flip = is_signed_ ? 0 : 0x80;
    const bool in_tiles = gemm_->begin && (is_signed_ || sizes_.rows >= gemm_->begin_rows);
    if (in_tiles) gemm_->begin();
    for (int64_t row = row_begin; row < row_end; row += block_rows_) {
      const int64_t rows = std::min(block_rows_, row_end - row);
      InputRanges ranges;
      ranges_of_rows(v, row, rows, ranges);
      for (int64_t r = 0; r < rows; ++r)
        quantize_row(ranges.of(r), v.in<float>(0) + (row + r) * sizes_.depth, flip, panel + r * stride_);
      for (int64_t r = 0; r < rows; ++r) ranges.zeros[r] += flip;
      const bool centered = is_signed_ && !asymmetric_;
      const Rows at{row, rows, ranges.scales, centered ? nullptr : ranges.zeros};
      for (int64_t block = block_begin; block < block_end; block += kInt8ChunkBlocks)
        multiply(v, at, block, std::min(kInt8ChunkBlocks, block_end - block), panel, sums);
    }
    if (in_tiles) gemm_->end();
  }

  struct Rows {
    int64_t first, count;
    const float* scales;
    const int32_t* zeros;
  };
  void multiply(const Invocation& v, const Rows& rows, int64_t block, int64_t blocks, const uint8_t* panel,
                int32_t* sums) const {
    const int64_t stride = blocks * kInt8Channels, channel = block * kInt8Channels;
    const Int8Product product{panel,  stride_, rows.count, sizes_.depth, weights_->block(block),
                              blocks, nullptr, sums,       stride};
    (is_signed_ ? gemm_->multiply_signed : gemm_->multiply_unsigned)(product);
    const FloatScale scale{scales_.data() + channel,
                           rows.scales,
                           rows.zeros,
                           weights_->weight_sums() + channel,
                           bias_.empty() ? nullptr : bias_.data() + channel,
                           range_.min,
                           range_.max,
                           sizes_.twice};
    finish_->to_float({sums, stride, rows.count, std::min(stride, sizes_.units - channel), nullptr}, scale,
                      v.out<float>(0) + rows.first * sizes_.units + channel, sizes_.units);
  }

  HybridSizes sizes_;
  const Int8Gemm* gemm_;
  const FinishSums* finish_;
  const QuantizeRows* quantize_;
  std::shared_ptr<const PackedInt8> weights_;
  bool asymmetric_;
  Range<float> range_;
  std::vector<float> scales_, bias_;  // of whole blocks of channels; no bias: empty
  bool is_signed_ = false;
  int64_t stride_ = 0, block_rows_ = 0, pieces_ = 1;
  bool by_rows_ = true;
  int scratch_ = -1, ranges_ = -1;
};

}  // namespace

Compute hybrid_product_on_vectors(Preparation& p, const HybridSizes& s, std::span<const float> scales, bool asymmetric,
                                  Range<float> range) {
  p.spell_out(1);
  if (!quantize_rows() || !has_int8_kernels(p, 1, 2) || p.input(1).dtype == DType::uint8) return {};
  if (s.rows == 0 || s.units == 0 || s.depth == 0) return {};
  const auto layer = std::make_shared<const HybridLayer>(p, s, scales, asymmetric, range);
  p.release(1);
  return [layer](const Invocation& v) { layer->run(v); };
}

}  // namespace subgraft
