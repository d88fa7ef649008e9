#include "kernels/conv_int8.h"

#include "kernels/weights.h"

namespace subgraft {
namespace {

// One group's channels.
struct Group {
  Int8Layer layer;
  int64_t first_in, first_out;
};

// Where the bytes of output positions' taps are.
class Taps {
 public:
  Taps(const ConvGeometry& g, int64_t row_stride) : g_(g), row_stride_(row_stride) {
    adjacent_ = g.x.dilation == 1 && g.groups == 1;
  }

  // Copies the taps of positions [begin, end) to the rows of a panel.
  void gather(const uint8_t* in, const uint8_t* zeros, const Group& group, int64_t begin, int64_t end,
              uint8_t* panel) const {
    Pieces pieces{group.layer, panel};
    int64_t row = begin / g_.x.out, column = begin - row * g_.x.out;
    int64_t batch = row / g_.y.out;
    row -= batch * g_.y.out;
    int32_t to = 0;
    for (int64_t position = begin; position < end; ++position, to += static_cast<int32_t>(row_stride_)) {
      add_position(in + batch * g_.image() + group.first_in, zeros, g_.y.origin(row), g_.x.origin(column), to, pieces);
      if (++column < g_.x.out) continue;
      column = 0;
      if (++row < g_.y.out) continue;
      row = 0;
      ++batch;
    }
    pieces.copy();
  }

 private:
  struct Pieces {
    static constexpr int kMost = 128;
    const Int8Layer& layer;
    uint8_t* panel;
    int count = 0;
    Int8Piece pieces[kMost];

    void add(const uint8_t* from, int32_t to, int64_t bytes) {
      if (count == kMost) copy();
      pieces[count++] = {from, to, static_cast<int32_t>(bytes)};
    }
    void copy() {
      layer.gemm().copy_pieces(pieces, count, layer.flip(), panel);
      count = 0;
    }
  };

  void add_position(const uint8_t* image, const uint8_t* zeros, int64_t y0, int64_t x0, int32_t to,
                    Pieces& pieces) const {
    const int64_t depth = g_.depth, run = g_.x.filter * depth, step = g_.x.dilation;
    const int64_t first = x0 >= 0 ? 0 : std::min<int64_t>((-x0 + step - 1) / step, g_.x.filter);
    const int64_t last = x0 >= g_.x.in ? first : std::clamp<int64_t>((g_.x.in - 1 - x0) / step + 1, first, g_.x.filter);
    for (int64_t ky = 0; ky < g_.y.filter; ++ky, to += static_cast<int32_t>(run)) {
      const int64_t y = y0 + ky * g_.y.dilation;
      if (y < 0 || y >= g_.y.in || first == last) {
        pieces.add(zeros, to, run);
        continue;
      }
      const uint8_t* from = image + (y * g_.x.in + x0) * g_.channels_in;
      if (first > 0) pieces.add(zeros, to, first * depth);
      if (adjacent_) {
        pieces.add(from + first * depth, to + static_cast<int32_t>(first * depth), (last - first) * depth);
      } else {
        for (int64_t kx = first; kx < last; ++kx)
          pieces.add(from + kx * step * g_.channels_in, to + static_cast<int32_t>(kx * depth), depth);
      }
      if (last < g_.x.filter) pieces.add(zeros, to + static_cast<int32_t>(last * depth), (g_.x.filter - last) * depth);
    }
  }

  ConvGeometry g_;
  int64_t row_stride_;
  bool adjacent_;
};

bool is_pointwise(const ConvGeometry& g) {
  return g.y.filter == 1 && g.x.filter == 1 && g.y.stride == 1 && g.x.stride == 1 && g.groups == 1;
}

// Rows of a panel do not begin at the same place of a page: they would meet in the same set of the cache.
int64_t panel_stride(int64_t padded_depth) {
  constexpr int64_t kPage = 4096, kLine = 64;
  return padded_depth % (kPage / 4) == 0 ? padded_depth + kLine : padded_depth;
}

// Rows of one block: as the kernel likes them, fewer where the panel would leave the first cache.
int64_t block_rows(const Int8Gemm& gemm, int64_t stride) {
  constexpr int64_t kPanelBytes = 32 << 10;
  int64_t rows = gemm.rows;
  while (rows > gemm.rows / 2 && rows * stride > kPanelBytes) rows /= 2;
  return rows;
}

struct Convolution {
  ConvGeometry g;
  std::vector<Group> groups;
  std::vector<uint8_t> zeros;  // one row of taps outside the image
  int64_t stride, rows;        // of a panel
  bool direct;                 // activations are rows already
  int out_bytes;
  int panels, sums;  // scratch slots

  int64_t panel_bytes() const { return rows * stride + 64; }

  void piece(const Invocation& v, int64_t index, const Int8Pieces& pieces) const {
    const auto part = pieces.part(index);
    uint8_t* panel = v.scratch<uint8_t>(panels) + index * ((panel_bytes() + 63) / 64 * 64);
    int32_t* block_sums = v.scratch<int32_t>(sums) + index * (kInt8SumBytes / 4);
    const Int8Gemm& gemm = groups[0].layer.gemm();
    const Taps taps(g, stride);
    if (gemm.begin) gemm.begin();
    for (const Group& group : groups)
      for (int64_t row = part.row_begin; row < part.row_end; row += rows) {
        const int64_t end = std::min(row + rows, part.row_end);
        const uint8_t* x = panel;
        int64_t x_stride = stride;
        if (direct && readable_after(end)) {
          x = v.in<uint8_t>(0) + row * g.depth;
          x_stride = g.depth;
        } else {
          taps.gather(v.in<uint8_t>(0), zeros.data(), group, row, end, panel);
        }
        group.layer.run(x, x_stride, end - row, part.block_begin, part.block_end,
                        v.out<std::byte>(0) + (row * g.channels_out + group.first_out) * out_bytes, g.channels_out,
                        block_sums);
      }
    if (gemm.end) gemm.end();
  }

  // Whether the bytes that complete the row before `end` are the image's.
  bool readable_after(int64_t end) const {
    const int64_t beyond = groups[0].layer.padded_depth() - g.depth;
    return (g.pixels() - end) * g.depth >= beyond;
  }
};

// The scales of channels [first, first + count).
Int8Scales part_of(const Int8Scales& scales, int64_t first, int64_t count) {
  const auto part = [&](const auto& all) {
    using Numbers = std::decay_t<decltype(all)>;
    return all.empty() ? Numbers() : Numbers(all.begin() + first, all.begin() + first + count);
  };
  return {part(scales.fixed), part(scales.real), scales.zero_point, scales.range};
}

Compute convolve_int8(Preparation& p, const ConvGeometry& g, int32_t w_zero, const Int8Scales& scales) {
  constexpr int64_t kMostDepth = 1 << 24;  // so that offsets in a panel are small numbers
  if (!has_int8_kernels(p, 1, 2) || g.pixels() == 0 || g.taps() > kMostDepth) return {};
  const bool biased = has_bias(p, 2, DType::int32, g.channels_out);
  const int64_t channels = g.channels_out / g.groups;
  const int32_t x_zero = p.input(0).zero_point();
  Convolution c{.g = g};
  for (int32_t i = 0; i < g.groups; ++i) {
    const int64_t first = i * channels;
    std::span<const int32_t> bias;
    if (biased) bias = {reinterpret_cast<const int32_t*>(p.input(2).constant) + first, static_cast<size_t>(channels)};
    c.groups.push_back({Int8Layer(packed_weights(p, 1, channels, g.taps(), i), bias, p.input(0).dtype, x_zero, w_zero,
                                  p.output(0).dtype, part_of(scales, first, channels)),
                        int64_t{i} * g.depth, first});
  }
  const Int8Layer& layer = c.groups[0].layer;
  c.zeros.assign(g.x.filter * g.depth, static_cast<uint8_t>(x_zero));
  c.stride = panel_stride(layer.padded_depth());
  c.rows = block_rows(layer.gemm(), c.stride);
  c.direct = is_pointwise(g) && layer.flip() == 0;
  c.out_bytes = dtype_bits(p.output(0).dtype) / 8;
  const Int8Pieces pieces(g.pixels(), layer, p.threads());
  c.panels = p.scratch(pieces.pieces * ((c.panel_bytes() + 63) / 64 * 64));
  c.sums = p.scratch(pieces.pieces * kInt8SumBytes);
  return [c = std::make_shared<const Convolution>(std::move(c)), pieces](const Invocation& v) {
    v.parallel(pieces.pieces, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) c->piece(v, i, pieces);
    });
  };
}

}  // namespace

Compute fast_conv_int8(Preparation& p, const ConvGeometry& g, const Int8Scales& scales) {
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
  return convolve_int8(p, g, w_zero, scales);
}

}  // namespace subgraft
