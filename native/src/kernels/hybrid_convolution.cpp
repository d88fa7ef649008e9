#include "kernels/hybrid_convolution.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/int8_layer.h"
#include "kernels/weights.h"
#include "micro/quantize_rows.h"

namespace subgraft {
namespace {

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// What of an axis the windows cover, where that is more than the image has.
int64_t padded_size(const Window& w) {
  const int64_t covered = (int64_t{w.out} - 1) * w.stride + (int64_t{w.filter} - 1) * w.dilation + 1;
  return w.before == 0 && covered <= w.in ? w.in : covered;
}

class HybridConvolution {
 public:
  HybridConvolution(Preparation& p, const ConvGeometry& g, std::span<const float> scales, bool asymmetric,
                    Range<float> range)
      : g_(g),
        gemm_(int8_gemm()),
        finish_(finish_sums()),
        quantize_(quantize_rows()),
        asymmetric_(asymmetric),
        range_(range),
        y_size_(padded_size(g.y)),
        x_size_(padded_size(g.x)),
        pixels_(int64_t{g.y.out} * g.x.out),
        channels_(g.channels_out / g.groups) {
    for (int32_t group = 0; group < g.groups; ++group)
      add_layer(p, scales.subspan(group * channels_, channels_), group);
    p.release(1);
    is_signed_ = gemm_->multiply_signed && pixels_ >= gemm_->least_rows;
    stride_ = round_up(g.taps(), kInt8Depth) + (g.taps() % 1024 == 0 ? kInt8Depth : 0);
    rows_ = std::min<int64_t>(kInt8MaxRows, std::max(gemm_->rows, gemm_->least_rows));
    divide(p.threads());
    image_ = p.scratch(y_size_ * image_row() + kInt8Depth);
    pieces_memory_ = p.scratch(pieces_ * piece_bytes());
  }

  void run(const Invocation& v) const {
    for (int32_t batch = 0; batch < g_.batches; ++batch) {
      const ImageRange q = range_of(v.in<float>(0) + batch * g_.image());
      constexpr int64_t kBytesOfAThread = 1 << 14;
      v.parallel(y_size_, kBytesOfAThread / image_row() + 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) quantize_row(v, batch, row, q);
      });
      v.parallel(pieces_, 1, [&](int64_t begin, int64_t end) {
        for (int64_t piece = begin; piece < end; ++piece) run_piece(v, batch, piece, q);
      });
    }
  }

 private:
  struct Layer {
    std::shared_ptr<const PackedInt8> weights;
    std::vector<float> scales, bias;  // of whole blocks of channels; no bias: empty
  };
  void add_layer(Preparation& p, std::span<const float> scales, int32_t group) {
    Layer layer{packed_weights(p, 1, channels_, g_.taps(), group), {scales.begin(), scales.end()}, {}};
    const auto size = static_cast<size_t>(round_up(channels_, kInt8Channels));
    layer.scales.resize(size);
    if (has_bias(p, 2, DType::float32, g_.channels_out)) {
      const auto* bias = reinterpret_cast<const float*>(p.input(2).constant) + group * channels_;
      layer.bias.assign(bias, bias + channels_);
      layer.bias.resize(size);
    }
    layers_.push_back(std::move(layer));
  }

  // Pieces of positions or, where those are few, of blocks of channels; 1 to 2 us of work each.
  void divide(int threads) {
    constexpr int64_t kWorthAPiece = 1 << 19, kLeastRows = 16;
    by_rows_ = pixels_ >= 2 * kLeastRows;
    const int64_t most = by_rows_ ? pixels_ / kLeastRows : layers_[0].weights->blocks();
    pieces_ = std::clamp<int64_t>(std::min(pixels_ * g_.channels_out * g_.taps() / kWorthAPiece, most), 1, threads);
  }
  int64_t image_row() const { return x_size_ * g_.channels_in; }
  int64_t panel_bytes() const { return round_up(rows_ * stride_ + kInt8Depth, 64); }
  int64_t piece_bytes() const { return panel_bytes() + kInt8SumBytes; }
  uint8_t flip() const { return is_signed_ ? 0 : 0x80; }

  struct ImageRange {
    float scale, inverse;
    int32_t zero;
    bool is_empty;
  };
  ImageRange range_of(const float* image) const {
    float low, high;
    ImageRange q;
    quantize_->range(image, g_.image(), low, high);
    (asymmetric_ ? quantize_->asymmetric : quantize_->symmetric)({&low, &high, 1, &q.scale, &q.zero, &q.inverse});
    q.is_empty = low == high;
    return q;
  }

  // One row of the image with what is around it.
  void quantize_row(const Invocation& v, int32_t batch, int64_t row, const ImageRange& q) const {
    const int64_t y = row - g_.y.before, columns = std::min<int64_t>(g_.x.in, x_size_ - g_.x.before);
    const int64_t left = g_.x.before * g_.channels_in, count = columns * g_.channels_in;
    const uint8_t zero = static_cast<uint8_t>(q.zero) ^ flip();
    uint8_t* to = v.scratch<uint8_t>(image_) + row * image_row();
    if (y < 0 || y >= g_.y.in || count <= 0 || (asymmetric_ && q.is_empty)) {
      std::memset(to, zero, static_cast<size_t>(image_row()));
      return;
    }
    std::memset(to, zero, static_cast<size_t>(left));
    quantize_->quantize(v.in<float>(0) + batch * g_.image() + y * g_.x.in * g_.channels_in, count, q.inverse, q.zero,
                        asymmetric_ ? -128 : -127, flip(), to + left);
    std::memset(to + left + count, zero, static_cast<size_t>(image_row() - left - count));
  }

  void run_piece(const Invocation& v, int32_t batch, int64_t piece, const ImageRange& q) const {
    const int64_t blocks = layers_[0].weights->blocks();
    const int64_t row_begin = by_rows_ ? pixels_ * piece / pieces_ : 0;
    const int64_t row_end = by_rows_ ? pixels_ * (piece + 1) / pieces_ : pixels_;
    const int64_t block_begin = by_rows_ ? 0 : blocks * piece / pieces_;
    const int64_t block_end = by_rows_ ? blocks : blocks * (piece + 1) / pieces_;
    uint8_t* panel = v.scratch<uint8_t>(pieces_memory_) + piece * piece_bytes();
    float row_scales[kInt8MaxRows];
    int32_t row_zeros[kInt8MaxRows];
    std::fill_n(row_scales, rows_, q.scale);
    std::fill_n(row_zeros, rows_, q.zero + flip());
    if (gemm_->begin) gemm_->begin();
    for (size_t group = 0; group < layers_.size(); ++group) {
      for (int64_t row = row_begin; row < row_end; row += rows_) {
        const int64_t rows = std::min(rows_, row_end - row);
        gather(v.scratch<uint8_t>(image_) + static_cast<int64_t>(group) * g_.depth, row, row + rows, panel);
        const Rows at{batch * pixels_ + row, rows, row_scales, row_zeros};
        for (int64_t block = block_begin; block < block_end; block += kInt8ChunkBlocks)
          multiply(v, group, at, block, std::min(kInt8ChunkBlocks, block_end - block), panel);
      }
    }
    if (gemm_->end) gemm_->end();
  }

  // The windows of positions [at, end) as rows of a panel.
  void gather(const uint8_t* image, int64_t at, int64_t end, uint8_t* panel) const {
    const bool is_adjacent = g_.x.dilation == 1 && g_.groups == 1;
    Int8Runs runs{};
    runs.step = g_.x.stride * g_.channels_in;
    runs.y_runs = g_.y.filter;
    runs.y_step = g_.y.dilation * image_row();
    runs.x_runs = is_adjacent ? 1 : g_.x.filter;
    runs.x_step = g_.x.dilation * g_.channels_in;
    runs.bytes = is_adjacent ? int64_t{g_.x.filter} * g_.depth : g_.depth;
    runs.to = panel;
    runs.to_stride = stride_;
    for (; at < end; at += runs.positions, runs.to += runs.positions * stride_) {
      const int64_t y = at / g_.x.out, x = at - y * g_.x.out;
      runs.positions = std::min(end - at, g_.x.out - x);
      runs.from = image + y * g_.y.stride * image_row() + x * runs.step;
      gemm_->copy_runs(runs);
    }
  }

  struct Rows {
    int64_t first, count;
    const float* scales;
    const int32_t* zeros;
  };
  void multiply(const Invocation& v, size_t group, const Rows& rows, int64_t block, int64_t blocks,
                uint8_t* panel) const {
    const Layer& layer = layers_[group];
    auto* sums = reinterpret_cast<int32_t*>(panel + panel_bytes());
    const int64_t stride = blocks * kInt8Channels, channel = block * kInt8Channels;
    (is_signed_ ? gemm_->multiply_signed : gemm_->multiply_unsigned)(
        {panel, stride_, rows.count, g_.taps(), layer.weights->block(block), blocks, nullptr, sums, stride});
    const bool centered = is_signed_ && !asymmetric_;
    const FloatScale scale{layer.scales.data() + channel,
                           rows.scales,
                           centered ? nullptr : rows.zeros,
                           layer.weights->weight_sums() + channel,
                           layer.bias.empty() ? nullptr : layer.bias.data() + channel,
                           range_.min,
                           range_.max,
                           asymmetric_};
    finish_->to_float(
        {sums, stride, rows.count, std::min(stride, channels_ - channel), nullptr}, scale,
        v.out<float>(0) + rows.first * g_.channels_out + static_cast<int64_t>(group) * channels_ + channel,
        g_.channels_out);
  }

  ConvGeometry g_;
  const Int8Gemm* gemm_;
  const FinishSums* finish_;
  const QuantizeRows* quantize_;
  bool asymmetric_;
  Range<float> range_;
  int64_t y_size_, x_size_;    // of the image that windows slide over
  int64_t pixels_, channels_;  // positions of one image; channels of one group
  std::vector<Layer> layers_;  // one for each group
  bool is_signed_ = false, by_rows_ = true;
  int64_t stride_ = 0, rows_ = 0;  // of a panel
  int64_t pieces_ = 1;
  int image_ = -1, pieces_memory_ = -1;
};

}  // namespace

Compute hybrid_convolution_on_vectors(Preparation& p, const ConvGeometry& geometry, std::span<const float> scales,
                                      bool asymmetric, Range<float> range) {
  constexpr int64_t kMostDepth = 1 << 24;  // so that offsets in a panel are small numbers
  if (!quantize_rows() || p.input(1).dtype == DType::uint8 || p.sparse(1) || !has_int8_kernels(p, 1, 2)) return {};
  if (geometry.pixels() == 0 || geometry.taps() == 0 || geometry.taps() > kMostDepth) return {};
  ConvGeometry g = geometry;
  // Zeros do not change the range that an image is quantized with.
  const Preparation::Border border = p.absorb_border(0);
  g.y.in -= static_cast<int32_t>(border.top + border.bottom);
  g.y.before += border.top;
  g.x.in -= static_cast<int32_t>(border.left + border.right);
  g.x.before += border.left;
  return [convolution = std::make_shared<const HybridConvolution>(p, g, scales, asymmetric, range)](
             const Invocation& v) { convolution->run(v); };
}

}  // namespace subgraft
