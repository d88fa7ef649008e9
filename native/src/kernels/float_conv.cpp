// CONV_2D of float32 with the fast micro-kernels: windows are rows of a matrix where they lie in the image, in a padded
// copy of a few of its rows, or in a copy of their own.
#include "core/fixed_point.h"
#include "kernels/float_gemm.h"
#include "kernels/float_windows.h"

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
  FloatConv(Preparation& p, const ConvGeometry& g, const FloatGemm* gemm)
      : g_(g),
        gemm_(gemm),
        biased_(p.has_input(2)),
        range_(activation_range(p.options().integer("fused_activation_function"))),
        dots_(prefers_dots(p)),
        weights_(dots_ ? nullptr : std::make_shared<FloatWeights>(p, gemm, 1, g.groups, columns(), g.taps())) {}

  const ConvGeometry& geometry() const { return g_; }
  int64_t columns() const { return g_.channels_out / g_.groups; }

  const float* ready(const Invocation& v) const { return dots_ ? v.in<float>(1) : weights_->ready(v); }

  // Columns [begin, end) of one group for rows whose first output position is `position`.
  void multiply(const Invocation& v, const float* weights, const FloatRows& x, int64_t position, int64_t group,
                int64_t begin, int64_t end) const {
    const int64_t channel = group * columns();
    const FloatResult result = {v.out<float>(0) + position * g_.channels_out + channel, g_.channels_out,
                                biased_ ? v.in<float>(2) + channel : nullptr, range_.min, range_.max};
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
    multiply(v, weights, x, position, group, 0, columns());
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
  Range<float> range_;
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
                         conv.multiply(v, weights, x, row, group, column, column_end);
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

// Windows that all lie inside the image.
Compute conv_in_place(const FloatConv& conv) {
  return [=](const Invocation& v) {
    const ConvGeometry& g = conv.geometry();
    const float* weights = conv.ready(v);
    const int64_t row_step = int64_t{g.x.in} * g.channels_in;
    v.parallel(int64_t{g.batches} * g.y.out, grain_of_products(g.x.out * g.taps() * g.channels_out),
               [&](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   const int64_t batch = row / g.y.out, y = g.y.origin(row - batch * g.y.out);
                   const float* first = v.in<float>(0) + batch * g.image() + y * row_step;
                   conv.multiply(v, weights, windows_of_row(g, first, row_step), row * g.x.out, 0);
                 }
               });
  };
}

// Into how many parts, each with memory of its own, an op of so many products is divided.
int64_t parts_of(const Preparation& p, int64_t products) {
  return std::clamp<int64_t>(products / kProductsOfThread, 1, p.threads());
}

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
        for (int64_t group = 0; group < of.groups; ++group) {
          gather_windows(of, v.in<float>(0), group, begin, end, to);
          conv.multiply(v, weights, {to, end - begin, of.taps(), 1, of.taps(), 0}, begin, group);
        }
      }
    });
  };
}

bool is_padded(const Window& w) { return w.before > 0 || w.origin(w.out - 1) + (w.filter - 1) * w.dilation >= w.in; }

}  // namespace

Compute fast_conv_float(Preparation& p, const ConvGeometry& geometry) {
  constexpr int64_t kNarrow = 6;
  const FloatGemm* gemm = float_gemm();
  if (!gemm) return {};
  const ConvGeometry g = turned(geometry);
  const FloatConv conv(p, g, gemm);
  const auto single = [](const Window& w) { return w.filter == 1 && w.stride == 1; };
  if (single(g.y) && single(g.x)) return conv_of_pixels(conv);
  const bool neighbours = g.groups == 1 && (g.x.dilation == 1 || g.x.filter == 1);
  if (!neighbours || g.x.out < std::min<int64_t>(kNarrow, g.pixels())) return conv_of_copies(p, conv);
  if (is_padded(g.y) || is_padded(g.x)) return conv_of_padded_rows(p, conv);
  return conv_in_place(conv);
}

}  // namespace subgraft
