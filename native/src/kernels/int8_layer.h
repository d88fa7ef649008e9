// CONV_2D, TRANSPOSE_CONV and FULLY_CONNECTED of 8-bit activations as products of matrices, in the kernels of
// micro/gemm_int8.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/fixed_point.h"
#include "kernels/dot.h"
#include "micro/finish_sums.h"
#include "micro/gemm_int8.h"
#include "micro/packed_int8.h"
#include "runtime/kernel.h"

namespace subgraft {

// Where sums go: one multiplier for each channel, in fixed point or in double precision.
struct Int8Scales {
  std::vector<Multiplier> fixed;
  std::vector<double> real;  // empty: fixed
  int32_t zero_point = 0;
  Range<int32_t> range{};
};

// The product of rows of activations with constant weights, and the last step.
class Int8Layer {
 public:
  // rows: of the op. bias: of each channel, or empty. Zero points are those of the file; w_zero is that of the weights
  // as they are stored.
  Int8Layer(std::shared_ptr<const PackedInt8> weights, int64_t rows, std::span<const int32_t> bias, DType in,
            int32_t x_zero, int32_t w_zero, DType out, const Int8Scales& scales);

  const Int8Gemm& gemm() const { return *gemm_; }
  uint8_t flip() const { return flip_; }  // what bytes of activations are xored with on their way to a panel
  int64_t depth() const { return weights_->depth(); }
  int64_t padded_depth() const { return weights_->padded_depth(); }
  int64_t blocks() const { return weights_->blocks(); }
  int64_t channels() const { return weights_->channels(); }

  // Blocks [begin, end) of channels of the outputs of so many rows. `out` is of the first row's first channel;
  // out_stride counts numbers; sums: scratch of kSumBytes.
  void run(const uint8_t* x, int64_t x_stride, int64_t rows, int64_t begin, int64_t end, std::byte* out,
           int64_t out_stride, int32_t* sums) const;

 private:
  void prepare_quick(std::span<const int32_t> bias, const Int8Scales& scales, int32_t w_zero);
  void finish(const SumBlock& block, int64_t channel, std::byte* out, int64_t out_stride) const;

  const Int8Gemm* gemm_;
  const FinishSums* finish_;
  std::shared_ptr<const PackedInt8> weights_;
  bool is_signed_;
  uint8_t flip_;
  int32_t row_factor_;  // what the sum of a row's activations is added with; 0: not at all
  DType out_;
  bool is_real_;
  int32_t zero_point_;
  Range<int32_t> range_;
  // Of each channel, padded to whole blocks.
  std::vector<int32_t> bias_, multipliers_, shifts_;
  std::vector<double> scales_;
  std::vector<float> quick_scales_, quick_offsets_;  // empty: sums or multipliers are too large
};

constexpr int64_t kInt8MaxRows = 64;     // of one block of outputs
constexpr int64_t kInt8ChunkBlocks = 4;  // blocks of channels of one block of outputs
constexpr int64_t kInt8SumBytes = kInt8MaxRows * kInt8ChunkBlocks * kInt8Channels * 4;

// Whether an op with these constants can be an Int8Layer: there are kernels, and its weights and bias are known.
bool has_int8_kernels(const Preparation& p, int weights, int bias);

// The weights of one of `groups` layers, shared by all programs of the model.
std::shared_ptr<const PackedInt8> packed_weights(Preparation& p, int input, int64_t channels, int64_t depth,
                                                 int64_t group);

// How an op's work is divided: pieces of rows or, where those are few, of blocks of channels.
struct Int8Pieces {
  int64_t rows, blocks;
  int pieces;
  bool by_rows;

  Int8Pieces(int64_t rows, const Int8Layer& layer, int threads);
  struct Part {
    int64_t row_begin, row_end, block_begin, block_end;
  };
  Part part(int64_t piece) const;
};

}  // namespace subgraft
