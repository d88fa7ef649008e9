// FULLY_CONNECTED of float32 with weights that have one scale for each block of neighbours.
#include <algorithm>

#include "core/half.h"
#include "kernels/dot.h"
#include "kernels/dynamic_range.h"
#include "kernels/fully_connected.h"
#include "kernels/requantize.h"
#include "kernels/weights.h"

namespace subgraft {
namespace {

struct BlockwiseScales {
  std::vector<float> scales;  // [units, blocks]
  std::vector<float> sums;    // per unit: its weights as real numbers, summed
};

struct BlockwiseSizes {
  FullyConnectedSizes whole;
  int64_t block = 0, blocks = 0;
};

BlockwiseSizes blockwise_sizes(const Preparation& p, const FullyConnectedSizes& s, const BlockwiseQuantization& q) {
  p.require(q.block_size > 0 && s.depth % q.block_size == 0, "blocks of ", q.block_size, " do not divide rows of ",
            s.depth, " weights");
  if (q.zero_points >= 0) p.unsupported("blockwise quantization with zero points");
  return {s, q.block_size, s.depth / q.block_size};
}

std::vector<float> read_scales(const Preparation& p, const BlockwiseSizes& s, int32_t tensor) {
  const Operand scales = p.constant(tensor);
  const int64_t count = s.whole.units * s.blocks;
  p.require(scales.shape.elements() == count, "there are ", scales.shape.elements(), " scales for ", count, " blocks");
  if (scales.dtype != DType::float16) p.unsupported("scales of blocks that are ", dtype_name(scales.dtype));
  std::vector<float> values(static_cast<size_t>(count));
  const Half* halves = reinterpret_cast<const Half*>(scales.constant);
  std::transform(halves, halves + count, values.begin(), [](Half half) { return to_float(half); });
  return values;
}

// Only for constant weights.
BlockwiseScales blockwise_scales(const Preparation& p, const BlockwiseSizes& s, int32_t tensor, const int8_t* weights) {
  BlockwiseScales result{read_scales(p, s, tensor), {}};
  for (int64_t unit = 0; unit < s.whole.units; ++unit) {
    float total = 0;
    for (int64_t b = 0; b < s.blocks; ++b, weights += s.block) {
      int32_t sum = 0;
      for (int64_t i = 0; i < s.block; ++i) sum += weights[i];
      total += result.scales[unit * s.blocks + b] * static_cast<float>(sum);
    }
    result.sums.push_back(total);
  }
  return result;
}

// One row of activations with one row of weights; the zero point is taken off at the end, in real numbers.
float dot_blocks(const BlockwiseSizes& s, const int8_t* x, DynamicRange q, const int8_t* w, const float* scales,
                 float weight_sum) {
  float result = 0;
  for (int64_t b = 0; b < s.blocks; ++b, x += s.block, w += s.block) {
    uint32_t sum = 0;
    add_dots<1>(x, w, s.block, s.block, CenteredProduct<int8_t>(), &sum);
    result += static_cast<float>(static_cast<int32_t>(sum)) * scales[b];
  }
  return (result - static_cast<float>(q.zero_point) * weight_sum) * q.scale;
}

}  // namespace

Compute fully_connected_blockwise(Preparation& p, const FullyConnectedSizes& whole) {
  const auto& quantization = std::get<BlockwiseQuantization>(p.input(1).quantization->details);
  p.spell_out(1);
  if (!p.input(1).is_constant()) p.unsupported("blockwise weights that are not constant");
  const BlockwiseSizes s = blockwise_sizes(p, whole, quantization);
  const auto unpacked = p.shared<std::vector<int8_t>>(1, "unpacked", [&] {
    const int bits = dtype_bits(p.input(1).dtype);
    return unpack_signed(p.input(1).constant, bits, whole.units * whole.depth);
  });
  const auto scales = p.shared<BlockwiseScales>(
      1, "blockwise", [&] { return blockwise_scales(p, s, quantization.scales, unpacked->data()); });
  const bool biased = has_bias(p, 2, DType::float32, whole.units);
  const Range<float> range = activation_range(p.options().integer("fused_activation_function"));
  const int quantized = p.scratch(whole.rows * whole.depth);
  const int ranges = p.scratch(whole.rows * static_cast<int64_t>(sizeof(DynamicRange)));
  return [=](const Invocation& v) {
    const int64_t depth = whole.depth;
    int8_t* in = v.scratch<int8_t>(quantized);
    DynamicRange* q = v.scratch<DynamicRange>(ranges);
    v.parallel(whole.rows, grain_of(depth), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        q[r] = quantize_asymmetric(v.in<float>(0) + r * depth, depth, in + r * depth);
    });
    const AddBias finish{biased ? v.in<float>(2) : nullptr, range, v.out<float>(0)};
    parallel_tiles(v, whole.rows, whole.units, depth, [&](const Tile& tile) {
      for (int64_t row = tile.row_begin; row < tile.row_end; ++row) {
        for (int64_t unit = tile.unit_begin; unit < tile.unit_end; ++unit) {
          const float sum = dot_blocks(s, in + row * depth, q[row], unpacked->data() + unit * depth,
                                       scales->scales.data() + unit * s.blocks, scales->sums[unit]);
          finish(row * whole.units + unit, unit, sum);
        }
      }
    });
  };
}

}  // namespace subgraft
