#include "kernels/depthwise_layout.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

namespace subgraft {
namespace {

// Channels that are computed together, at most, and what they are a multiple of where they are not all: interleaving
// takes so many at once.
constexpr int64_t kMostChannels = 256, kSomeChannels = 192, kWholeChannels = 64;
// A strip of columns shall stay in the fastest cache.
constexpr int64_t kBufferBytes = 24 << 10;
constexpr int64_t kMostBufferBytes = 1 << 20;
// Vectors repeat after several pixels where that wastes no lanes, up to this many of them.
constexpr int64_t kMostRepeated = 32;

// The largest stride at which the columns between outputs are interleaved too.
constexpr int64_t kMostSkipped = 2;
// So many products of 16 and 8 bits fit into 32 bits.
constexpr int64_t kMostWideTaps = 256;

int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

// Every block but the last has this size, and the last no less than a vector; 0: there is no such size.
int64_t block_of(int64_t channels, int64_t lanes) {
  if (channels <= kMostChannels) return channels;
  const auto fits = [&](int64_t block) { return channels % block == 0 || channels % block >= lanes; };
  for (int64_t block = kSomeChannels; block > 0; block -= kWholeChannels)
    if (fits(block)) return block;
  for (int64_t block = kSomeChannels; block >= lanes; block -= lanes)
    if (fits(block)) return block;
  return 0;
}

QuantizedDepthwise sizes_of(const ConvGeometry& g) {
  QuantizedDepthwise layer;
  layer.batches = g.batches;
  layer.in_height = g.y.in;
  layer.in_width = g.x.in;
  layer.channels_in = g.channels_in;
  layer.out_height = g.y.out;
  layer.out_width = g.x.out;
  layer.channels = g.channels_out;
  layer.multiplier = g.channels_out / g.channels_in;
  layer.filter_height = g.y.filter;
  layer.filter_width = g.x.filter;
  layer.stride_y = g.y.stride;
  layer.dilation_y = g.y.dilation;
  layer.before_y = g.y.before;
  return layer;
}

void set_outputs(const DepthwiseSums& sums, QuantizedDepthwise& layer) {
  layer.in_bytes = sums.in_bytes;
  layer.out_bytes = sums.out_bytes;
  layer.is_signed = sums.is_signed;
  layer.zero_point = sums.output_zero_point;
  layer.min = sums.range.min;
  layer.max = sums.range.max;
  layer.real_min = sums.real_range.min;
  layer.real_max = sums.real_range.max;
}

void plan_columns(const ConvGeometry& g, QuantizedDepthwise& layer) {
  for (int32_t tap = 0; tap < layer.filter_width; ++tap) {
    const int64_t at = tap * g.x.dilation - g.x.before, stride = layer.plane_stride;
    const int64_t residue = (at % stride + stride) % stride;
    int32_t p = 0;
    while (p < layer.planes && layer.plane[p].first != residue) ++p;
    DepthwisePlane& plane = layer.plane[p];
    const int64_t column = (at - residue) / stride;
    if (p == layer.planes) {
      plane = {residue, column, 0};
      ++layer.planes;
    }
    plane.extent = column - plane.low;
    layer.tap_plane[tap] = p;
    layer.tap_column[tap] = column - plane.low;
  }
}

// Whether both roundings can be one, with the zero point and the correction inside 32 bits.
bool is_quick(const DepthwiseSums& sums, int64_t taps) {
  constexpr int64_t kRoom = int64_t{1} << 31;
  for (size_t c = 0; c < sums.bias.size(); ++c) {
    const Multiplier m = sums.multipliers[c];
    const int64_t largest = std::abs(sums.bias[c]) + taps * 255 * 255;
    if (m.shift > 0 || largest + (int64_t{385} << -m.shift) >= kRoom) return false;
  }
  return true;
}

DepthwiseFinish finish_of(const DepthwiseSums& sums, int64_t taps) {
  if (sums.out_bytes == 4) return DepthwiseFinish::real;
  if (sums.out_bytes == 2) return DepthwiseFinish::wide;
  if (!is_quick(sums, taps)) return DepthwiseFinish::careful;
  return sums.range.min >= sums.output_zero_point ? DepthwiseFinish::rectified : DepthwiseFinish::quick;
}

bool needs_two_parts(const DepthwiseSums& sums) {
  return std::ranges::any_of(sums.weights, [](int16_t w) { return w < INT8_MIN || w > INT8_MAX; });
}

// A vector of a record, lane by lane.
class Writer {
 public:
  Writer(std::byte* record, int lanes) : record_(record), lanes_(lanes) {}

  void set(int64_t vector, int lane, uint32_t value) const {
    std::memcpy(record_ + (vector * lanes_ + lane) * 4, &value, sizeof value);
  }
  // `even` and the one after it hold 64 bits for every second lane.
  void set_wide(int64_t even, int lane, uint64_t value) const {
    std::memcpy(record_ + ((even + lane % 2) * lanes_ + lane / 2 * 2) * 4, &value, sizeof value);
  }

 private:
  std::byte* record_;
  int lanes_;
};

// With x the sum, m / 2^(31 + s) the multiplier, s >= 0, and z the zero point, the output is
//   (floor((x * 2m + 2^31) / 2^32) + 2^(s - 1) + z * 2^s - negative) >> s
// where 2^(s - 1) and `negative` are 0 for s = 0, and the latter is 1 where what stands before it is less than
// 2^(s - 1) + z * 2^s: both roundings of rescale() in one shift. There the output is at most z with or without it, so
// that it makes no difference to outputs that are not less than z. The sum is biased by 2^31, so that the product is
// one of unsigned numbers; everything constant is one addend of 64 bits.
void write_quick(const Writer& record, int lane, int64_t start, Multiplier m, int32_t zero_point) {
  const int shift = -m.shift;
  const int64_t half = shift > 0 ? int64_t{1} << (shift - 1) : 0, limit = half + (int64_t{zero_point} << shift);
  const uint64_t addend = (static_cast<uint64_t>(limit - m.value) << 32) + (uint64_t{1} << 31);
  record.set(0, lane, static_cast<uint32_t>(start) + (uint32_t{1} << 31));
  record.set_wide(1, lane, static_cast<uint64_t>(m.value) * 2);
  record.set_wide(3, lane, addend);
  record.set(5, lane, static_cast<uint32_t>(shift > 0 ? limit : INT32_MIN));
  record.set(6, lane, static_cast<uint32_t>(shift));
}

// rescale_wide() of sum + bias: the bias is multiplied beforehand, modulo 2^64 as there.
void write_wide(const Writer& record, int lane, int64_t bias, Multiplier m) {
  const int32_t reduced = m.value < 0x7fff0000 ? (m.value + (1 << 15)) >> 16 : 0x7fff;
  const int total = 15 - m.shift;
  record.set_wide(1, lane, static_cast<uint64_t>(reduced));
  record.set_wide(3, lane, static_cast<uint64_t>(bias) * static_cast<uint64_t>(reduced) + (uint64_t{1} << (total - 1)));
  record.set_wide(5, lane, static_cast<uint64_t>(total));
}

void write_head(const QuantizedDepthwise& layer, const DepthwiseSums& sums, const Writer& record, int lane,
                int64_t channel, uint32_t total) {
  const auto c = static_cast<size_t>(channel);
  if (layer.finish == DepthwiseFinish::real) {
    record.set(1, lane, total);
    record.set(2, lane, std::bit_cast<uint32_t>(sums.scales[c]));
    record.set(3, lane, std::bit_cast<uint32_t>(sums.real_bias[c]));
    return;
  }
  if (layer.finish == DepthwiseFinish::wide) return write_wide(record, lane, sums.bias[c], sums.multipliers[c]);
  const int32_t flip = layer.is_signed ? 128 : 0;
  const uint32_t start =
      static_cast<uint32_t>(sums.bias[c]) - static_cast<uint32_t>(sums.input_zero_point + flip) * total;
  const Multiplier m = sums.multipliers[c];
  if (layer.finish == DepthwiseFinish::quick || layer.finish == DepthwiseFinish::rectified)
    return write_quick(record, lane, static_cast<int32_t>(start), m, layer.zero_point - (layer.is_signed ? 0 : 128));
  record.set(0, lane, start);
  record.set(1, lane, static_cast<uint32_t>(m.value));
  record.set(2, lane, static_cast<uint32_t>(m.shift));
}

}  // namespace

std::optional<QuantizedDepthwise> plan_depthwise(const ConvGeometry& g, const QuantizedDepthwiseKernel& kernel,
                                                 const DepthwiseSums& sums) {
  const int64_t rows = g.y.filter, columns = g.x.filter, interleaved = 4 / sums.in_bytes;
  const int64_t paired = g.y.stride == 1 && rows % interleaved != 0 && g.y.dilation < g.y.out ? 2 : 1;
  const int64_t groups = (rows + paired - 1 + interleaved - 1) / interleaved;
  if (columns > kDepthwiseColumns || g.x.stride > kDepthwiseColumns || groups > kDepthwiseGroups ||
      columns * groups > kDepthwiseSteps || g.pixels() == 0 || (sums.in_bytes == 2 && g.taps() > kMostWideTaps))
    return std::nullopt;
  QuantizedDepthwise layer = sizes_of(g);
  layer.rows = static_cast<int32_t>(paired);
  layer.pairs =
      layer.rows == 1 ? layer.out_height : static_cast<int32_t>(round_up(layer.out_height, 2 * g.y.dilation) / 2);
  layer.groups = static_cast<int32_t>(groups);
  layer.steps = layer.filter_width * layer.groups;
  const int64_t lanes = kernel.lanes, channels = layer.channels;
  layer.block = static_cast<int32_t>(block_of(channels, lanes));
  if (layer.block == 0) return std::nullopt;
  layer.blocks = static_cast<int32_t>((channels + layer.block - 1) / layer.block);
  const int64_t repeated = lanes / std::gcd(channels, lanes);
  const bool repeats =
      layer.blocks == 1 && (channels < lanes || (g.x.stride == 1 && repeated * channels <= kMostRepeated * lanes));
  layer.unit = static_cast<int32_t>(repeats ? repeated : 1);
  layer.vectors = static_cast<int32_t>((layer.unit * layer.block + lanes - 1) / lanes);

  // Whole rows are interleaved at once; only where vectors hold more than one pixel must those of outputs be
  // neighbours.
  const bool is_whole = layer.blocks == 1 && layer.unit == 1 && layer.multiplier == 1 && g.x.stride <= kMostSkipped;
  layer.plane_stride = is_whole ? 1 : g.x.stride;
  layer.plane_step = is_whole ? g.x.stride : 1;
  plan_columns(g, layer);

  int64_t extent = 0;
  for (int p = 0; p < layer.planes; ++p) extent += layer.plane[p].extent;
  const auto bytes = [&](int64_t strip) {
    return groups * (((strip - 1) * layer.plane_step + 1) * layer.planes + extent) * layer.block * 4;
  };
  int64_t strip = round_up(layer.out_width, layer.unit);
  while (strip > layer.unit && bytes(strip) > kBufferBytes) strip = round_up((strip + 1) / 2, layer.unit);
  layer.strip = static_cast<int32_t>(strip);
  constexpr int64_t kSlack = 512;  // that interleaving and the last vector may pass the end
  layer.shared_offset = round_up(bytes(strip) + kSlack, 64);
  const int64_t shared = layer.multiplier > 1 ? 4 * int64_t{layer.in_width} * layer.channels_in + kSlack : 0;
  layer.buffer_bytes = layer.shared_offset + round_up(shared, 64);
  if (layer.buffer_bytes > kMostBufferBytes) return std::nullopt;

  layer.finish = finish_of(sums, g.taps());
  set_outputs(sums, layer);
  layer.parts = layer.in_bytes == 1 && (kernel.is_paired || needs_two_parts(sums)) ? 2 : 1;
  layer.record_bytes = (kDepthwiseHead + int64_t{layer.steps} * layer.rows * layer.parts) * 4 * lanes;
  return layer;
}

DepthwiseTable depthwise_table(const QuantizedDepthwise& layer, const QuantizedDepthwiseKernel& kernel,
                               const DepthwiseSums& sums) {
  const int lanes = kernel.lanes;
  const int64_t vectors = int64_t{layer.blocks} * layer.vectors;
  DepthwiseTable table(static_cast<size_t>((vectors * layer.record_bytes + 63) / 64));
  std::byte* const bytes = table.empty() ? nullptr : table.front().bytes;
  const auto weight = [&](int64_t y, int64_t x, int64_t c) -> int32_t {
    if (y < 0 || y >= layer.filter_height) return 0;
    return sums.weights[static_cast<size_t>((y * layer.filter_width + x) * layer.channels + c)];
  };
  const int interleaved = 4 / layer.in_bytes;
  // One tap of the interleaved rows from `y` on; whether it takes the second part.
  const auto write_weights = [&](const Writer& record, int64_t vector, int lane, int64_t y, int64_t x, int64_t c) {
    uint32_t parts[2] = {0, 0};
    for (int i = 0; i < interleaved; ++i) {
      const int32_t w = weight(y + i, x, c);
      if (layer.in_bytes == 2) {
        parts[0] |= (static_cast<uint32_t>(w) & 0xffff) << i * 16;
      } else if (kernel.is_paired) {
        parts[i % 2] |= (static_cast<uint32_t>(w) & 0xffff) << i / 2 * 16;
      } else {
        const int32_t most = std::clamp<int32_t>(w, INT8_MIN, INT8_MAX);
        parts[0] |= (static_cast<uint32_t>(most) & 0xff) << i * 8;
        parts[1] |= (static_cast<uint32_t>(w - most) & 0xff) << i * 8;
      }
    }
    for (int part = 0; part < layer.parts; ++part) record.set(vector + part, lane, parts[part]);
    return parts[1] != 0;
  };
  for (int64_t n = 0; n < vectors; ++n) {
    const int64_t first = n / layer.vectors * layer.block;
    const int64_t width = std::min<int64_t>(layer.block, layer.channels - first);
    int64_t begin = n % layer.vectors * lanes;
    if (layer.unit == 1 && width >= lanes) begin = std::min(begin, width - lanes);
    const Writer record(bytes + n * layer.record_bytes, lanes);
    int32_t parts = layer.parts == 2 && kernel.is_paired ? 2 : 1;
    for (int lane = 0; lane < lanes; ++lane) {
      const int64_t c = first + (begin + lane) % width;
      uint32_t total = 0;
      for (int64_t y = 0; y < layer.filter_height; ++y)
        for (int64_t x = 0; x < layer.filter_width; ++x) total += static_cast<uint32_t>(weight(y, x, c));
      write_head(layer, sums, record, lane, c, total);
      int64_t vector = kDepthwiseHead;
      for (int64_t x = 0; x < layer.filter_width; ++x)
        for (int64_t group = 0; group < layer.groups; ++group)
          for (int64_t row = 0; row < layer.rows; ++row, vector += layer.parts)
            if (write_weights(record, vector, lane, interleaved * group - row, x, c)) parts = 2;
    }
    record.set(kDepthwiseHead - 1, 0, static_cast<uint32_t>(parts));
  }
  return table;
}

}  // namespace subgraft
