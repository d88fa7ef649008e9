#include "kernels/conv_int8.h"

#include "core/joined.h"
#include "kernels/int8_convolution.h"
#include "kernels/weights.h"
#include "runtime/packed_bytes.h"

namespace subgraft {
namespace {

constexpr int64_t kMostDepth = 1 << 24;

// The scales of channels [first, first + count).
Int8Scales part_of(const Int8Scales& scales, int64_t first, int64_t count) {
  const auto part = [&](const auto& all) {
    using Numbers = std::decay_t<decltype(all)>;
    return all.empty() ? Numbers() : Numbers(all.begin() + first, all.begin() + first + count);
  };
  return {part(scales.fixed), part(scales.real), scales.zero_point, scales.range};
}

std::span<const int32_t> constant_bias(const Preparation& p, int i, int64_t channels) {
  if (!has_bias(p, i, DType::int32, channels)) return {};
  return {reinterpret_cast<const int32_t*>(p.input(i).constant), static_cast<size_t>(channels)};
}

bool can_convolve(const Preparation& p, const ConvGeometry& g) {
  return has_int8_kernels(p, 1, 2) && g.pixels() > 0 && g.taps() <= kMostDepth;
}

Compute convolve_int8(Preparation& p, const ConvGeometry& g, int32_t w_zero, const Int8Scales& scales) {
  const std::span<const int32_t> bias = constant_bias(p, 2, g.channels_out);
  const int64_t channels = g.channels_out / g.groups;
  std::vector<Int8Layer> layers;
  for (int32_t i = 0; i < g.groups; ++i) {
    const int64_t first = i * channels;
    layers.emplace_back(packed_weights(p, 1, channels, g.taps(), i), g.pixels(),
                        bias.empty() ? bias : bias.subspan(first, channels), p.input(0).dtype, p.input(0).zero_point(),
                        w_zero, p.output(0).dtype, part_of(scales, first, channels));
  }
  p.release(1);
  const auto c = std::make_shared<const Int8Convolution>(p, g, 0, std::move(layers), Int8Place{g.y.out, g.x.out});
  return [c](const Invocation& v) { c->run(v); };
}

// Where the outputs at `phase`, phase + stride, ... of one axis of TRANSPOSE_CONV are an ordinary convolution with the
// taps that meet them: first, first + stride, ...; in reverse.
struct Phase {
  Window window;
  int64_t first_tap;

  Phase(const Window& w, int64_t phase) {
    first_tap = (phase + w.before) % w.stride;
    window.in = w.out;
    window.out = static_cast<int32_t>((w.in - phase + w.stride - 1) / w.stride);
    window.filter = static_cast<int32_t>(first_tap < w.filter ? (w.filter - 1 - first_tap) / w.stride + 1 : 0);
    window.before = window.filter - 1 - (phase + w.before - first_tap) / w.stride;
  }
  int64_t tap(const Window& w, int64_t place) const { return first_tap + (window.filter - 1 - place) * w.stride; }
};

constexpr int kData = 2, kWeights = 1, kBias = 3;  // of TRANSPOSE_CONV

// The taps of one phase, block by block.
void pack_phase(const std::byte* weights, uint8_t flip, const TransposedGeometry& g, const Phase& y, const Phase& x,
                const Int8Order& order, std::byte* packed) {
  std::vector<std::byte> taps(static_cast<size_t>(kInt8Channels * order.depth()));
  for (int64_t channel = 0; channel < order.channels(); channel += kInt8Channels) {
    const int64_t count = std::min<int64_t>(kInt8Channels, order.channels() - channel);
    std::byte* to = taps.data();
    for (int64_t c = channel; c < channel + count; ++c)
      for (int64_t i = 0; i < y.window.filter; ++i)
        for (int64_t j = 0; j < x.window.filter; ++j) {
          const int64_t tap = y.tap(g.y, i) * g.x.filter + x.tap(g.x, j);
          to = std::copy_n(weights + c * g.taps() + tap * g.channels_in, g.channels_in, to);
        }
    order.pack(taps.data(), flip, channel, count, packed);
  }
}

Int8Convolution phase_of(Preparation& p, const TransposedGeometry& g, int64_t row, int64_t column,
                         const Int8Scales& scales) {
  const Phase y(g.y, row), x(g.x, column);
  const auto kind = joined("blocks of phase ", row, ",", column, " ", g.y.stride, "x", g.x.stride, " ", y.first_tap,
                           ",", x.first_tap);
  const Int8Order order(g.channels_out, int64_t{y.window.filter} * x.window.filter * g.channels_in);
  auto packed = packed_bytes(p, kWeights, kind, order.bytes(), [&](std::byte* to) {
    const uint8_t flip = p.input(kWeights).dtype == DType::uint8 ? 0x80 : 0;
    pack_phase(p.input(kWeights).constant, flip, g, y, x, order, to);
  });
  ConvGeometry c;
  c.batches = g.batches;
  c.channels_in = c.depth = g.channels_in;
  c.channels_out = g.channels_out;
  c.y = y.window;
  c.x = x.window;
  const DType in = p.input(kData).dtype;
  std::vector<Int8Layer> layers;
  layers.emplace_back(std::make_shared<const PackedInt8>(order, std::move(packed)), c.pixels(),
                      constant_bias(p, kBias, g.channels_out), in, p.input(kData).zero_point(),
                      in == DType::uint8 ? p.input(kWeights).zero_point() : 0, p.output(0).dtype, scales);
  return {p, c, kData, std::move(layers), Int8Place{g.y.in, g.x.in, row, column, g.y.stride, g.x.stride}};
}

}  // namespace

Compute fast_conv_int8(Preparation& p, const ConvGeometry& geometry, const Int8Scales& scales) {
  if (!can_convolve(p, geometry)) return {};
  ConvGeometry g = geometry;
  const Preparation::Border border = p.absorb_border(0);
  g.y.in -= static_cast<int32_t>(border.top + border.bottom);
  g.y.before += border.top;
  g.x.in -= static_cast<int32_t>(border.left + border.right);
  g.x.before += border.left;
  return convolve_int8(p, g, p.input(0).dtype == DType::uint8 ? p.input(1).zero_point() : 0, scales);
}

// A row is a position of an image of one row.
Compute fast_fully_connected_int8(Preparation& p, const FullyConnectedSizes& s, int32_t w_zero,
                                  const Int8Scales& scales) {
  constexpr int64_t kMost = INT32_MAX;
  if (s.units > kMost || s.depth > kMost) return {};
  ConvGeometry g;
  g.batches = 1;
  g.channels_in = g.depth = static_cast<int32_t>(s.depth);
  g.channels_out = static_cast<int32_t>(s.units);
  g.y.in = g.y.out = g.y.filter = g.x.filter = 1;
  g.x.in = g.x.out = static_cast<int32_t>(s.rows);
  return can_convolve(p, g) ? convolve_int8(p, g, w_zero, scales) : Compute();
}

Compute fast_transpose_conv_int8(Preparation& p, const TransposedGeometry& g, const Int8Scales& scales) {
  constexpr int64_t kMostPhases = 64;
  if (!has_int8_kernels(p, kWeights, kBias) || g.pixels() == 0 || g.image() == 0 || g.taps() > kMostDepth) return {};
  const int64_t rows = std::min<int64_t>(g.y.stride, g.y.in), columns = std::min<int64_t>(g.x.stride, g.x.in);
  if (rows * columns > kMostPhases) return {};
  std::vector<Int8Convolution> phases;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) phases.push_back(phase_of(p, g, row, column, scales));
  p.release(kWeights);
  const auto shared = std::make_shared<const std::vector<Int8Convolution>>(std::move(phases));
  return [shared](const Invocation& v) {
    for (const Int8Convolution& phase : *shared) phase.run(v);
  };
}

}  // namespace subgraft
