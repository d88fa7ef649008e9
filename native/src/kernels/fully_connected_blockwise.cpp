// FULLY_CONNECTED of float32 with weights that have one scale for each block of neighbours.
#include <algorithm>
#include <numeric>

#include "core/half.h"
#include "kernels/dot.h"
#include "kernels/dynamic_range.h"
#include "kernels/fully_connected.h"
#include "kernels/requantize.h"
#include "kernels/weights.h"
#include "micro/blockwise.h"
#include "micro/quantize_rows.h"

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

// Weights as blockwise.h reads them, with all that belongs to their channels.
struct PackedBlocks {
  std::vector<uint8_t> weights;
  std::vector<uint16_t> scales;  // float16
  std::vector<float> sums;
};

PackedBlocks pack_blocks(const BlockwiseSizes& s, bool in_4_bits, const int8_t* weights, const BlockwiseScales& of) {
  constexpr int64_t kChannels = kBlockwiseChannels, kQuad = 4;
  const int64_t depth = s.whole.depth, groups = (s.whole.units + kChannels - 1) / kChannels;
  const int64_t values = in_4_bits ? 2 : 1;  // in a byte
  PackedBlocks packed;
  packed.weights.resize(static_cast<size_t>(groups * kChannels * depth / values));
  packed.scales.resize(static_cast<size_t>(groups * kChannels * s.blocks));
  packed.sums = of.sums;
  packed.sums.resize(static_cast<size_t>(groups * kChannels));
  for (int64_t unit = 0; unit < s.whole.units; ++unit) {
    const int64_t group = unit / kChannels, within = unit % kChannels;
    uint8_t* to = packed.weights.data() + group * kChannels * depth / values + within * kQuad;
    for (int64_t k = 0; k < depth; ++k) {
      const int w = weights[unit * depth + k];
      uint8_t& byte = to[k / (kQuad * values) * kQuad * kChannels + k % kQuad];
      byte = static_cast<uint8_t>(in_4_bits ? byte | (w + 8) << (k / kQuad % 2 * 4) : w + 128);
    }
    for (int64_t b = 0; b < s.blocks; ++b)
      packed.scales[(group * s.blocks + b) * kChannels + within] = to_half(of.scales[unit * s.blocks + b]).bits;
  }
  return packed;
}

// What a product of rows of this op needs besides the input.
struct BlockwiseLayer {
  BlockwiseSizes s;
  bool in_4_bits;
  void (*multiply)(const BlockwiseProduct&);
  const QuantizeRows* quantize;
  std::shared_ptr<const PackedBlocks> packed;
  std::vector<float> bias;
  Range<float> range;

  // `memory` holds kBlockwiseRows rows and the sums of their blocks. channel: the first of those wanted.
  void run(const float* x, int64_t rows, int64_t channel, int64_t channels, int8_t* memory, float* out) const {
    const int64_t depth = s.whole.depth, group = channel / kBlockwiseChannels;
    auto* sums = reinterpret_cast<int32_t*>(memory);
    int8_t* bytes = memory + sums_bytes();
    BlockwiseProduct product{.x = bytes,
                             .depth = depth,
                             .block = s.block,
                             .rows = rows,
                             .weights = packed->weights.data() + channel * depth / (in_4_bits ? 2 : 1),
                             .scales = packed->scales.data() + group * kBlockwiseChannels * s.blocks,
                             .weight_sums = packed->sums.data() + channel,
                             .bias = bias.data() + channel,
                             .x_sums = sums,
                             .row_scales = {},
                             .zeros = {},
                             .min = range.min,
                             .max = range.max,
                             .out = out + channel,
                             .channels = channels,
                             .out_stride = s.whole.units};
    for (int64_t r = 0; r < rows; ++r) {
      const DynamicRange q = quantize_row(x + r * depth, bytes + r * depth);
      product.row_scales[r] = q.scale;
      product.zeros[r] = static_cast<float>(q.zero_point);
      for (int64_t b = 0; b < s.blocks; ++b) {
        const int8_t* of_block = bytes + r * depth + b * s.block;
        sums[r * s.blocks + b] = std::accumulate(of_block, of_block + s.block, 0) * (in_4_bits ? 8 : 128);
      }
    }
    multiply(product);
  }
  DynamicRange quantize_row(const float* row, int8_t* to) const {
    float low, high;
    quantize->range(row, s.whole.depth, low, high);
    const DynamicRange q = asymmetric_range(low, high);
    if (low == high)
      std::fill(to, to + s.whole.depth, int8_t{0});
    else
      quantize->quantize(row, s.whole.depth, 1 / q.scale, q.zero_point, -128, 0, reinterpret_cast<uint8_t*>(to));
    return q;
  }
  int64_t sums_bytes() const { return (kBlockwiseRows * s.blocks * 4 + 63) / 64 * 64; }
  int64_t memory_bytes() const { return sums_bytes() + (kBlockwiseRows * s.whole.depth + 63) / 64 * 64; }
};

// Empty where there are no kernels for this op.
Compute blockwise_on_vectors(Preparation& p, const BlockwiseSizes& s, const BlockwiseQuantization& quantization) {
  const Blockwise* kernels = blockwise();
  if (!kernels || !quantize_rows() || (p.has_input(2) && !p.input(2).is_constant())) return {};
  const int bits = dtype_bits(p.input(1).dtype);
  const bool in_4_bits = bits == 4;
  const auto multiply = in_4_bits ? kernels->of_4_bits : kernels->of_8_bits;
  constexpr int64_t kMostBlock = 1 << 15;  // whose sums fit into 32 bits
  if (!multiply || s.block % (in_4_bits ? 8 : 4) != 0 || s.block > kMostBlock) return {};
  const auto packed = p.shared<PackedBlocks>(1, "blockwise channels", [&] {
    const auto bytes = unpack_signed(p.input(1).constant, bits, s.whole.units * s.whole.depth);
    return pack_blocks(s, in_4_bits, bytes.data(), blockwise_scales(p, s, quantization.scales, bytes.data()));
  });
  p.release(1);
  BlockwiseLayer layer{s, in_4_bits, multiply, quantize_rows(), packed, {}, {}};
  if (has_bias(p, 2, DType::float32, s.whole.units)) {
    const auto* bias = reinterpret_cast<const float*>(p.input(2).constant);
    layer.bias.assign(bias, bias + s.whole.units);
  }
  layer.bias.resize(packed->sums.size());
  layer.range = activation_range(p.options().integer("fused_activation_function"));
  // By rows where there are many, else by channels.
  constexpr int64_t kWorthAThread = 1 << 19;
  const int64_t units = s.whole.units, rows = s.whole.rows,
                groups = (units + kBlockwiseChannels - 1) / kBlockwiseChannels;
  const bool by_rows = rows >= kBlockwiseRows * p.threads();
  const int64_t most = by_rows ? rows / kBlockwiseRows : groups;
  const int64_t pieces =
      std::clamp<int64_t>(std::min(rows * units * s.whole.depth / kWorthAThread, most), 1, p.threads());
  const int64_t bytes = layer.memory_bytes();
  const int scratch = p.scratch(pieces * bytes);
  return [=, layer = std::make_shared<const BlockwiseLayer>(std::move(layer))](const Invocation& v) {
    v.parallel(pieces, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = by_rows ? rows * i / pieces : 0, last = by_rows ? rows * (i + 1) / pieces : rows;
        const int64_t channel = by_rows ? 0 : groups * i / pieces * kBlockwiseChannels;
        const int64_t stop = by_rows ? units : std::min(units, groups * (i + 1) / pieces * kBlockwiseChannels);
        for (int64_t row = first; row < last; row += kBlockwiseRows)
          layer->run(v.in<float>(0) + row * s.whole.depth, std::min<int64_t>(kBlockwiseRows, last - row), channel,
                     stop - channel, v.scratch<int8_t>(scratch) + i * bytes, v.out<float>(0) + row * units);
      }
    });
  };
}

}  // namespace

Compute fully_connected_blockwise(Preparation& p, const FullyConnectedSizes& whole) {
  const auto& quantization = std::get<BlockwiseQuantization>(p.input(1).quantization->details);
  p.spell_out(1);
  if (!p.input(1).is_constant()) p.unsupported("blockwise weights that are not constant");
  const BlockwiseSizes s = blockwise_sizes(p, whole, quantization);
  if (Compute fast = blockwise_on_vectors(p, s, quantization)) return fast;
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
