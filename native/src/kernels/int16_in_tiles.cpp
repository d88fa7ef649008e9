#include "kernels/int16_in_tiles.h"

#include <algorithm>
#include <memory>

#include "kernels/int8_layer.h"
#include "micro/int16_bytes.h"

namespace subgraft {
namespace {

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

class Int16Tiles {
 public:
  Int16Tiles(Preparation& p, const FullyConnectedSizes& s, const FinishInt16& finish)
      : sizes_(s),
        finish_(finish),
        gemm_(int8_gemm()),
        bytes_(int16_bytes()),
        weights_(packed_weights(p, 1, s.units, s.depth, 0)),
        is_wide_(!finish.sums_in_32_bits() && s.depth > kExact32),
        stride_(round_up(s.depth, kInt8Depth) + (s.depth % 1024 == 0 ? kInt8Depth : 0)),
        rows_(std::clamp<int64_t>(gemm_->rows, gemm_->least_rows, kInt8MaxRows)) {
    p.release(1);
    constexpr int64_t kWorthAPiece = 1 << 20, kLeastRows = 16;
    pieces_ =
        std::clamp<int64_t>(std::min(s.rows * s.units * s.depth / kWorthAPiece, s.rows / kLeastRows), 1, p.threads());
    scratch_ = p.scratch(pieces_ * piece_bytes());
  }

  void run(const Invocation& v) const {
    v.parallel(pieces_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) run_piece(v, piece);
    });
  }

 private:
  int64_t panel_bytes() const { return round_up(rows_ * stride_ + kInt8Depth, 64); }
  // Two panels, two blocks of sums, and one of twice their width.
  int64_t piece_bytes() const { return 2 * panel_bytes() + 4 * kInt8SumBytes; }

  void run_piece(const Invocation& v, int64_t piece) const {
    std::byte* memory = v.scratch<std::byte>(scratch_) + piece * piece_bytes();
    auto* high = reinterpret_cast<int8_t*>(memory);
    auto* low = reinterpret_cast<uint8_t*>(memory + panel_bytes());
    std::byte* sums = memory + 2 * panel_bytes();
    const int64_t end = sizes_.rows * (piece + 1) / pieces_;
    gemm_->begin();
    for (int64_t row = sizes_.rows * piece / pieces_; row < end; row += rows_) {
      const int64_t rows = std::min(rows_, end - row);
      for (int64_t r = 0; r < rows; ++r)
        bytes_->split(v.in<int16_t>(0) + (row + r) * sizes_.depth, sizes_.depth, high + r * stride_, low + r * stride_);
      for (int64_t block = 0; block < weights_->blocks(); block += kInt8ChunkBlocks)
        multiply({high, low, rows, block, std::min(kInt8ChunkBlocks, weights_->blocks() - block)}, sums,
                 v.out<int16_t>(0) + row * sizes_.units);
    }
    gemm_->end();
  }

  struct Block {
    const int8_t* high;
    const uint8_t* low;
    int64_t rows, first, blocks;
  };
  void multiply(const Block& b, std::byte* memory, int16_t* out) const {
    auto* high = reinterpret_cast<int32_t*>(memory);
    auto* low = reinterpret_cast<int32_t*>(memory + kInt8SumBytes);
    std::byte* both = memory + 2 * kInt8SumBytes;
    const int64_t stride = b.blocks * kInt8Channels, channel = b.first * kInt8Channels;
    Int8Product product{b.high,   stride_, b.rows, sizes_.depth, weights_->block(b.first),
                        b.blocks, nullptr, high,   stride};
    gemm_->multiply_signed(product);
    product.x = b.low;
    product.sums = low;
    gemm_->multiply_unsigned(product);
    if (is_wide_)
      bytes_->combine64(high, low, b.rows * stride, reinterpret_cast<int64_t*>(both));
    else
      bytes_->combine32(high, low, b.rows * stride, reinterpret_cast<int32_t*>(both));
    finish_(both, is_wide_, stride, b.rows, channel, std::min(stride, sizes_.units - channel), out + channel,
            sizes_.units);
  }

  FullyConnectedSizes sizes_;
  FinishInt16 finish_;
  const Int8Gemm* gemm_;
  const Int16Bytes* bytes_;
  std::shared_ptr<const PackedInt8> weights_;
  bool is_wide_;
  int64_t stride_, rows_;  // of a panel
  int64_t pieces_ = 1;
  int scratch_ = -1;
};

}  // namespace

Compute fc_int16_in_tiles(Preparation& p, const FullyConnectedSizes& s, const FinishInt16& finish) {
  constexpr int64_t kMostDepth = 1 << 16;  // whose sums of products of bytes fit into 32 bits
  const Int8Gemm* gemm = int8_gemm();
  if (!gemm || !gemm->multiply_signed || !gemm->begin || !int16_bytes()) return {};
  if (s.rows < std::max(gemm->least_rows, gemm->begin_rows) || s.depth == 0 || s.depth > kMostDepth || s.units == 0)
    return {};
  return [tiles = std::make_shared<const Int16Tiles>(p, s, finish)](const Invocation& v) { tiles->run(v); };
}

}  // namespace subgraft
