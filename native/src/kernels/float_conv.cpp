// CONV_2D of float32 with the fast micro-kernels: windows are rows of a matrix where they lie in the image, in a padded
// copy of a few of its rows, or in a copy of their own.
#include "core/fixed_point.h"
#include "kernels/float_followers.h"
#include "kernels/float_gemm.h"
#include "kernels/float_windows.h"
#include "kernels/float_winograd.h"

namespace subgraft {
namespace {

constexpr int64_t kFloat = sizeof(float);
constexpr int64_t kCopyBytes = 128 * 1024;  // of a thread, so that copies stay in its L2 cache

// Where one dimension has one element, the other may be either: the kernels want it to be x.
ConvGeometry turned(ConvGeometry g) {
  if (g.x.in == 1 && g.x.filter == 1 && g.x.out == 1) std::swap(g.x, g.y);
  return g;
}

// One op: everything but where its windows lie.
class FloatConv {
 public:
  FloatConv(Preparation& p, const ConvGeometry& g, const FloatGemm* gemm, const FloatFollowers& followers)
      : g_(g),
        gemm_(gemm),
        biased_(p.has_input(2)),
        followers_(followers),
        dots_(prefers_dots(p)),
        weights_(dots_ ? nullptr : std::make_shared<FloatWeights>(p, gemm, 1, g.groups, columns(), g.taps())) {}

  const ConvGeometry& geometry() const { return g_; }
  int64_t columns() const { return g_.channels_out / g_.groups; }

  const float* ready(const Invocation& v) const { return dots_ ? v.in<float>(1) : weights_->ready(v); }

  // Columns [begin, end) of one group for rows that are so many output positions apart; the first is at `position`.
  void multiply(const Invocation& v, const float* weights, const FloatRows& x, int64_t position, int64_t apart,
                int64_t group, int64_t begin, int64_t end) const {
    const int64_t channel = group * columns();
    const int64_t first = position * g_.channels_out + channel;
    const FloatResult result = {
        v.out<float>(0) + first, apart * g_.channels_out, biased_ ? v.in<float>(2) + channel : nullptr,
        followers_.range.min,    followers_.range.max,    followers_.at(v, first, channel)};
    if (dots_) {
      const FloatDots dots = {x, weights + channel * g_.taps(), g_.taps(), columns(), result};
      gemm_->multiply_dots(part_of(dots, 0, x.count, begin, end));
    } else {
      const FloatProduct product = {x, weights + group * weights_->matrix_step(), weights_->slice_step(), columns(),
                                    result};
      gemm_->multiply(part_of(product, 0, x.count, begin, end));
    }
  }
  void multiply(const Invocation& v, const float* weights, const FloatRows& x, int64_t position, int64_t group) const {
    multiply(v, weights, x, position, 1, group, 0, columns());
  }
  // The windows of positions that are copied to `copies` first.
  void multiply_copies(const Invocation& v, const float* weights, const Positions& positions, int64_t group,
                       float* copies) const {
    gather_windows(g_, v.in<float>(0), group, positions, copies);
    multiply(v, weights, {copies, positions.count, g_.taps(), 1, g_.taps(), 0}, positions.first, positions.step, group,
             0, columns());
  }

 private:
  // Whether a vector holds one channel's products instead of one product of many channels: the lanes that either leaves
  // empty decide, and the sums of lanes in the end.
  bool prefers_dots(const Preparation& p) const {
    constexpr int64_t kCostOfSum = 6;           // in products of vectors
    constexpr int64_t kLargeWeights = 1 << 17;  // which are read once: packing them would take time and save none
    if (g_.pixels() == 1 && g_.groups == 1 && columns() * g_.taps() > kLargeWeights) return true;
    if (p.input(1).is_constant() && columns() > kFloatSlice / 2) return false;
    const int64_t lanes = gemm_->lanes;
    const int64_t run = g_.x.dilation == 1 && g_.groups == 1 ? int64_t{g_.x.filter} * g_.depth : g_.depth;
    const int64_t dots = columns() * (g_.taps() / run * ((run + lanes - 1) / lanes) + kCostOfSum);
    return dots < g_.taps() * ((columns() + lanes - 1) / lanes);
  }

  ConvGeometry g_;
  const FloatGemm* gemm_;
  bool biased_;
  FloatFollowers followers_;
  bool dots_;
  std::shared_ptr<const FloatWeights> weights_;
};

// Filters of one element with stride 1: positions are rows of one matrix, and so are their groups.
Compute conv_of_pixels(const FloatConv& conv) {
  return [=](const Invocation& v) {
    const ConvGeometry& g = conv.geometry();
    const float* weights = conv.ready(v);
    for (int64_t group = 0; group < g.groups; ++group) {
      const float* in = v.in<float>(0) + group * g.depth;
      parallel_product(v, g.pixels(), conv.columns(), g.depth,
                       [&](int64_t row, int64_t row_end, int64_t column, int64_t column_end) {
                         const FloatRows x = {in + row * g.channels_in, row_end - row, g.channels_in, 1, g.depth, 0};
                         conv.multiply(v, weights, x, row, 1, group, column, column_end);
                       });
    }
  };
}

// The windows of one output row where their taps are neighbours: rows of a matrix that overlap.
FloatRows windows_of_row(const ConvGeometry& g, const float* first, int64_t row_step) {
  return {first,
          g.x.out,
          g.x.stride * g.channels_in,
          g.y.filter,
          int64_t{g.x.filter} * g.channels_in,
          row_step * g.y.dilation};
}

// Into how many parts, each with memory of its own, an op of so many products is divided.
int64_t parts_of(const Preparation& p, int64_t products) {
  return std::clamp<int64_t>(products / kProductsOfThread, 1, p.threads());
}

// Outputs whose windows lie inside the image, along one axis.
struct Inside {
  int64_t begin, end;

  explicit Inside(const Window& w) {
    begin = std::min<int64_t>(w.out, (w.before + w.stride - 1) / w.stride);
    const int64_t last = w.in - 1 - (w.filter - 1) * w.dilation + w.before;  // where the last one may begin
    end = last < 0 ? begin : std::clamp<int64_t>(last / w.stride + 1, begin, w.out);
  }
  int64_t count() const { return end - begin; }
};

// Windows where they lie in the image; those of the edges are copied, if there are any.
class ConvInPlace {
 public:
  ConvInPlace(Preparation& p, const FloatConv& conv)
      : conv_(conv), rows_(conv.geometry().y), columns_(conv.geometry().x) {
    const ConvGeometry& g = conv.geometry();
    parts_ = parts_of(p, g.pixels() * g.taps() * g.channels_out);
    const bool has_edges = rows_.count() < g.y.out || columns_.count() < g.x.out;
    if (!has_edges) return;
    most_ = std::clamp<int64_t>(kCopyBytes / (g.taps() * kFloat), kFewestCopies, kMostCopies);
    scratch_ = p.scratch(parts_ * most_ * g.taps() * kFloat);
  }

  static int64_t positions(const ConvGeometry& g) { return g.batches * Inside(g.y).count() * Inside(g.x).count(); }

  void operator()(const Invocation& v) const {
    const ConvGeometry& g = conv_.geometry();
    const float* weights = conv_.ready(v);
    const int64_t all = int64_t{g.batches} * g.y.out;
    v.parallel(parts_, 1, [&](int64_t first, int64_t last) {
      float* copies = scratch_ < 0 ? nullptr : v.scratch<float>(scratch_) + first * most_ * g.taps();
      const int64_t end = all * last / parts_;
      for (int64_t row = all * first / parts_; row < end;) {
        const int64_t batch = row / g.y.out, next = std::min(end, (batch + 1) * g.y.out);
        multiply_rows(v, weights, batch, row - batch * g.y.out, next - batch * g.y.out, copies);
        row = next;
      }
    });
  }

 private:
  static constexpr int64_t kFewestCopies = 14, kMostCopies = 256;

  // Rows [begin, end) of one image.
  void multiply_rows(const Invocation& v, const float* weights, int64_t batch, int64_t begin, int64_t end,
                     float* copies) const {
    const ConvGeometry& g = conv_.geometry();
    const int64_t first = batch * g.y.out, row_step = int64_t{g.x.in} * g.channels_in;
    const int64_t inner = std::clamp(rows_.begin, begin, end), inner_end = std::clamp(rows_.end, inner, end);
    const float* image = v.in<float>(0) + batch * g.image() + g.x.origin(columns_.begin) * g.channels_in;
    multiply_copies(v, weights, {(first + begin) * g.x.out, 1, (inner - begin) * g.x.out}, copies);
    for (int64_t row = inner; row < inner_end; ++row) {
      FloatRows x = windows_of_row(g, image + g.y.origin(row) * row_step, row_step);
      x.count = columns_.count();
      conv_.multiply(v, weights, x, (first + row) * g.x.out + columns_.begin, 0);
    }
    for (int64_t column = 0; column < g.x.out; ++column) {
      if (column == columns_.begin) column = columns_.end;
      if (column < g.x.out)
        multiply_copies(v, weights, {(first + inner) * g.x.out + column, g.x.out, inner_end - inner}, copies);
    }
    multiply_copies(v, weights, {(first + inner_end) * g.x.out, 1, (end - inner_end) * g.x.out}, copies);
  }
  void multiply_copies(const Invocation& v, const float* weights, Positions left, float* copies) const {
    while (left.count > 0) {
      const Positions now = {left.first, left.step, std::min(left.count, most_)};
      conv_.multiply_copies(v, weights, now, 0, copies);
      left.first += now.count * left.step;
      left.count -= now.count;
    }
  }

  FloatConv conv_;
  Inside rows_, columns_;
  int64_t parts_ = 1, most_ = 0;
  int scratch_ = -1;
};

// Windows in padded copies of input rows, of as many output rows at a time as stay in the cache.
Compute conv_of_padded_rows(Preparation& p, const FloatConv& conv) {
  const PaddedRows padded{conv.geometry()};
  const ConvGeometry& g = padded.g;
  const int64_t parts = parts_of(p, g.pixels() * g.taps() * g.channels_out);
  int64_t most = 1;
  while (most < g.y.out && padded.count(most + 1) * padded.step() * kFloat <= kCopyBytes) ++most;
  const int64_t copy = padded.count(most) * padded.step();
  const int scratch = p.scratch(parts * copy * kFloat);
  return [=](const Invocation& v) {
    const ConvGeometry& of = padded.g;
    const float* weights = conv.ready(v);
    v.parallel(parts, 1, [&](int64_t first, int64_t last) {
      float* to = v.scratch<float>(scratch) + first * copy;
      const int64_t rows = int64_t{of.batches} * of.y.out, end = rows * last / parts;
      for (int64_t row = rows * first / parts; row < end;) {
        const int64_t batch = row / of.y.out, y = row - batch * of.y.out;
        const int64_t count = std::min({most, end - row, of.y.out - y});
        padded.copy(v.in<float>(0) + batch * of.image(), y, count, to);
        for (int64_t i = 0; i < count; ++i, ++row)
          conv.multiply(v, weights, windows_of_row(of, to + i * of.y.stride * padded.step(), padded.step()),
                        row * of.x.out, 0);
      }
    });
  };
}

// Windows copied one after the other: for dilated and grouped ones, and images too narrow for the others.
Compute conv_of_copies(Preparation& p, const FloatConv& conv) {
  constexpr int64_t kFewest = 14;
  const ConvGeometry& g = conv.geometry();
  const int64_t most = std::max<int64_t>(kFewest, kCopyBytes / (g.taps() * kFloat));
  const int64_t blocks = (g.pixels() + most - 1) / most;
  const int64_t parts = parts_of(p, g.pixels() * g.taps() * g.channels_out);
  const int64_t copy = std::min(most, g.pixels()) * g.taps();
  const int scratch = p.scratch(parts * copy * kFloat);
  return [=](const Invocation& v) {
    const ConvGeometry& of = conv.geometry();
    const float* weights = conv.ready(v);
    const int64_t pieces = std::max(blocks, std::min(parts, of.pixels()));
    v.parallel(parts, 1, [&](int64_t first, int64_t last) {
      float* to = v.scratch<float>(scratch) + first * copy;
      for (int64_t i = pieces * first / parts; i < pieces * last / parts; ++i) {
        const int64_t begin = of.pixels() * i / pieces, end = of.pixels() * (i + 1) / pieces;
        for (int64_t group = 0; group < of.groups; ++group)
          conv.multiply_copies(v, weights, {begin, 1, end - begin}, group, to);
      }
    });
  };
}

// What a PAD before the op puts around the image becomes padding of the op's own.
ConvGeometry without_border(Preparation& p, ConvGeometry g) {
  const Preparation::Border border = p.absorb_border(0);
  g.y.in -= static_cast<int32_t>(border.top + border.bottom);
  g.y.before += border.top;
  g.x.in -= static_cast<int32_t>(border.left + border.right);
  g.x.before += border.left;
  return g;
}

}  // namespace

Compute fast_conv_float(Preparation& p, const ConvGeometry& geometry) {
  constexpr int64_t kNarrow = 6;     // rows of so few windows make small products
  constexpr int64_t kMostEdges = 4;  // a quarter of the windows, or else the image is copied with its padding
  const FloatGemm* gemm = float_gemm();
  if (!gemm) return {};
  const FloatFollowers followers =
      take_over_followers(p, activation_range(p.options().integer("fused_activation_function")),
                          {geometry.batches, geometry.y.out, geometry.x.out, geometry.channels_out});
  const auto single = [](const Window& w) { return w.filter == 1 && w.stride == 1 && w.before == 0; };
  if (single(geometry.y) && single(geometry.x)) return conv_of_pixels(FloatConv(p, geometry, gemm, followers));
  const ConvGeometry g = turned(without_border(p, geometry));
  if (Compute compute = conv_by_winograd(p, g, followers)) return compute;
  const FloatConv conv(p, g, gemm, followers);
  const bool neighbours = g.groups == 1 && (g.x.dilation == 1 || g.x.filter == 1);
  if (!neighbours || g.x.out < std::min<int64_t>(kNarrow, g.pixels())) return conv_of_copies(p, conv);
  const int64_t edges = g.pixels() - ConvInPlace::positions(g);
  if (edges * kMostEdges <= g.pixels()) return ConvInPlace(p, conv);
  return conv_of_padded_rows(p, conv);
}

}  // namespace subgraft
