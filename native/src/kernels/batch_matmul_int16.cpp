#include "kernels/batch_matmul_int16.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/wide_products.h"

namespace subgraft {
namespace {

constexpr int64_t kBlocks = 4, kStride = kBlocks * kInt16Channels;  // of one block of sums

// The right side as gemm_int16.h reads it: one run of neighbours, of an even number. `to` holds zeros where the sizes
// are no whole blocks and pairs.
template <typename W>
void pack_columns(const W* from, int64_t units, int64_t depth, W* to) {
  for (int64_t unit = 0; unit < units; unit += kInt16Channels) {
    const int64_t count = std::min<int64_t>(kInt16Channels, units - unit);
    for (int64_t k = 0; k < depth; k += 2, to += 2 * kInt16Channels) {
      const W* even = from + k * units + unit;
      const W* odd = even + units;
      if (count == kInt16Channels && k + 1 < depth) {
        for (int c = 0; c < kInt16Channels; ++c) {
          to[2 * c] = even[c];
          to[2 * c + 1] = odd[c];
        }
        continue;
      }
      for (int64_t c = 0; c < count; ++c) {
        to[2 * c] = even[c];
        if (k + 1 < depth) to[2 * c + 1] = odd[c];
      }
    }
  }
}

template <typename W>
void pack_rows(const W* from, int64_t units, int64_t depth, W* to) {
  const int64_t padded = (depth + 1) / 2 * 2;
  for (int64_t unit = 0; unit < units; ++unit, from += depth) {
    W* pairs = to + unit / kInt16Channels * kInt16Channels * padded + unit % kInt16Channels * 2;
    int64_t k = 0;
    for (; k + 2 <= depth; k += 2, pairs += 2 * kInt16Channels) std::memcpy(pairs, from + k, 2 * sizeof(W));
    if (k < depth) pairs[0] = from[k];
  }
}

// Both sides are known only while running: the right one is packed for each matrix of the result.
class Int16Matmul {
 public:
  Int16Matmul(Preparation& p, const MatmulSizes& s, FinishInt16 finish)
      : sizes_(s),
        gemm_(int16_gemm()),
        finish_(std::move(finish)),
        right_is_wide_(p.input(1).dtype == DType::int16),
        copied_(s.left_transposed || s.depth % 2 != 0),
        depth_((s.depth + 1) / 2 * 2),
        blocks_((s.units + kInt16Channels - 1) / kInt16Channels),
        rows_(std::min<int64_t>(kInt16Rows, s.rows)) {
    constexpr int64_t kWorthAThread = 1 << 20;
    const int64_t work = s.rows * s.units * s.depth;
    // Where there are few matrices, the rows of each are shared too, and its right side is packed by all.
    parts_ = s.batches >= p.threads() ? 1 : std::clamp<int64_t>(work / kWorthAThread, 1, (s.rows + rows_ - 1) / rows_);
    parts_ = std::min<int64_t>(parts_, p.threads());
    const int64_t all = s.batches * parts_;
    pieces_ = std::clamp<int64_t>(std::min(work / kWorthAThread * s.batches, all), 1, p.threads());
    if (parts_ > 1) pieces_ = all;
    scratch_ = p.scratch(pieces_ * piece_bytes());
  }

  void run(const Invocation& v) const {
    v.parallel(pieces_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) {
        if (right_is_wide_)
          run_piece<int16_t>(v, piece);
        else
          run_piece<int8_t>(v, piece);
      }
    });
  }

 private:
  static int64_t whole_lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }
  int64_t weights() const { return blocks_ * kInt16Channels * depth_; }
  int64_t weight_bytes() const { return whole_lines(weights() * (right_is_wide_ ? 2 : 1)); }
  int64_t copied_bytes() const { return copied_ ? whole_lines(rows_ * depth_ * 2) : 0; }
  int64_t piece_bytes() const { return weight_bytes() + copied_bytes(); }

  template <typename W>
  void run_piece(const Invocation& v, int64_t piece) const {
    std::byte* memory = v.scratch<std::byte>(scratch_) + piece * piece_bytes();
    W* weights = reinterpret_cast<W*>(memory);
    auto* copies = reinterpret_cast<int16_t*>(memory + weight_bytes());
    const int64_t all = sizes_.batches * parts_;
    int64_t packed = -1;
    for (int64_t i = all * piece / pieces_; i < all * (piece + 1) / pieces_; ++i) {
      const int64_t batch = i / parts_, part = i % parts_;
      const auto [left, right] = sizes_.matrices(batch);
      if (right != packed) pack(v.in<W>(1) + right * sizes_.depth * sizes_.units, weights);
      packed = right;
      multiply(v.in<int16_t>(0) + left * sizes_.rows * sizes_.depth, weights, sizes_.rows * part / parts_,
               sizes_.rows * (part + 1) / parts_, copies, v.out<int16_t>(0) + batch * sizes_.rows * sizes_.units);
    }
  }

  template <typename W>
  void pack(const W* right, W* to) const {
    if (depth_ != sizes_.depth || sizes_.units % kInt16Channels != 0)
      std::fill_n(to, static_cast<size_t>(weights()), W{0});
    (sizes_.right_transposed ? pack_rows<W> : pack_columns<W>)(right, sizes_.units, sizes_.depth, to);
  }

  // Row `row` of the left side, with an even number of elements, perhaps in `copy`.
  const int16_t* row_of(const int16_t* left, int64_t row, int16_t* copy) const {
    if (!copied_) return left + row * depth_;
    copy[depth_ - 1] = 0;
    for (int64_t k = 0; k < sizes_.depth; ++k)
      copy[k] = sizes_.left_transposed ? left[k * sizes_.rows + row] : left[row * sizes_.depth + k];
    return copy;
  }

  template <typename W>
  void multiply(const int16_t* left, const W* weights, int64_t row, int64_t end, int16_t* copies, int16_t* out) const {
    constexpr bool is_wide_right = sizeof(W) == 2;
    const bool is_wide = is_wide_right || depth_ > kExact32;
    alignas(64) int64_t sums[kInt16Rows * kStride];
    const int16_t* x[kInt16Rows];
    for (int64_t rows; row < end; row += rows) {
      rows = std::min(rows_, end - row);
      for (int64_t r = 0; r < rows; ++r) x[r] = row_of(left, row + r, copies + r * depth_);
      for (int64_t block = 0; block < blocks_; block += kBlocks) {
        const int64_t blocks = std::min(kBlocks, blocks_ - block), channel = block * kInt16Channels;
        const Int16Product product{x,      rows, 1,      depth_, weights + block * kInt16Channels * depth_,
                                   blocks, sums, kStride};
        (is_wide_right ? gemm_->sums64_of_int16 : is_wide ? gemm_->sums64 : gemm_->sums32)(product);
        finish_(sums, is_wide, kStride, rows, 0, std::min<int64_t>(blocks * kInt16Channels, sizes_.units - channel),
                out + row * sizes_.units + channel, sizes_.units);
      }
    }
  }

  MatmulSizes sizes_;
  const Int16Gemm* gemm_;
  FinishInt16 finish_;
  bool right_is_wide_, copied_;     // copied: rows of the left side cannot be read where they are
  int64_t depth_, blocks_, rows_;   // even; of units; of one product
  int64_t parts_ = 1, pieces_ = 1;  // of the rows of a matrix; of all the work
  int scratch_ = -1;
};

}  // namespace

Compute matmul_int16_on_vectors(Preparation& p, const MatmulSizes& s, Multiplier multiplier, Range<int32_t> range) {
  constexpr int64_t kMostPadding = 1 << 20;  // elements of a right side of few units
  if (!int16_gemm() || s.depth == 0 || (s.units < 4 && s.depth * kInt16Channels > kMostPadding)) return {};
  // One multiplier for all channels: as many as a block of sums has.
  auto finish = FinishInt16::make(p, 2, false, std::vector<Multiplier>(kStride, multiplier), range);
  if (!finish) return {};
  return
      [matmul = std::make_shared<const Int16Matmul>(p, s, std::move(*finish))](const Invocation& v) { matmul->run(v); };
}

}  // namespace subgraft
