// TRANSPOSE_CONV of float32 with the fast micro-kernels. Outputs whose distance is the stride get the same taps of the
// filter, every stride-th of them: they are a phase, which is a convolution of stride 1. Where all phases of a row have
// equally many taps and begin together, they are the columns of one product.
#include <algorithm>
#include <vector>

#include "core/fixed_point.h"
#include "core/joined.h"
#include "kernels/float_gemm.h"
#include "runtime/packed_bytes.h"

namespace subgraft {
namespace {

constexpr int64_t kFloat = sizeof(float);

// Outputs first_out, first_out + stride, ... along one axis; output i of them reads inputs first_in + i to
// first_in + i + taps - 1, which meet taps first_tap + (taps - 1) * stride down to first_tap.
struct Phase {
  int64_t taps, first_tap, first_in, first_out, count;
};

// Of the axis that the window slides along, as the convolution that goes the other way has it.
Phase phase_of(const Window& w, int64_t tap) {
  Phase phase;
  phase.first_tap = tap;
  phase.taps = tap < w.filter ? (w.filter - tap + w.stride - 1) / w.stride : 0;
  const int64_t first = w.before > tap ? (w.before - tap + w.stride - 1) / w.stride : 0;
  phase.first_in = first - std::max<int64_t>(0, phase.taps - 1);
  phase.first_out = first * w.stride + tap - w.before;
  phase.count = phase.first_out < w.in ? (w.in - phase.first_out + w.stride - 1) / w.stride : 0;
  return phase;
}

std::vector<Phase> phases_of(const Window& w) {
  std::vector<Phase> phases;
  for (int64_t tap = 0; tap < w.stride && tap - w.before < w.in; ++tap)
    if (const Phase phase = phase_of(w, tap); phase.count > 0) phases.push_back(phase);
  return phases;
}

bool are_joined(const Window& w, const std::vector<Phase>& phases) {
  return w.before == 0 && w.filter % w.stride == 0 && w.in % w.stride == 0 &&
         static_cast<int64_t>(phases.size()) == w.stride;
}

// How many zeros an axis needs before and after its inputs.
struct Margins {
  int64_t before = 0, after = 0;

  Margins(const Window& w, const std::vector<Phase>& phases) {
    for (const Phase& phase : phases) {
      before = std::max(before, -phase.first_in);
      after = std::max(after, phase.first_in + phase.count - 1 + phase.taps - w.out);
    }
  }
};

// One phase of rows and one phase of columns, or all phases of columns as one product.
struct Piece {
  Phase y, x;
  int64_t columns, depth, weights;  // where its packed weights begin
};

// Everything that a run needs to know; the closure holds one.
struct Layer {
  const FloatGemm* gemm;
  TransposedGeometry g;
  TransposedPlaces at;
  bool biased, joined;
  Range<float> range;
  std::vector<Piece> pieces;
  Margins rows, columns;
  std::shared_ptr<const std::byte> weights;
  int padded = -1, repeated = -1;  // scratch memory: the image with its margins, the bias once for each joined phase

  int64_t width() const { return columns.before + g.x.out + columns.after; }
  int64_t height() const { return rows.before + g.y.out + rows.after; }
  int64_t depth() const { return g.channels_in; }
  int64_t phases_of_columns() const { return joined ? g.x.stride : 1; }
};

// The weights of a piece as rows of [columns, depth]: its taps from the last to the first.
std::vector<float> taps_of(const Layer& layer, const Piece& piece, const float* weights) {
  const TransposedGeometry& g = layer.g;
  std::vector<float> rows(static_cast<size_t>(piece.columns * piece.depth));
  float* to = rows.data();
  for (int64_t column = 0; column < piece.columns; ++column) {
    const int64_t phase = column / g.channels_out, channel = column - phase * g.channels_out;
    const float* of_channel = weights + channel * g.taps();
    for (int64_t y = piece.y.taps - 1; y >= 0; --y)
      for (int64_t x = piece.x.taps - 1; x >= 0; --x) {
        const int64_t tap_y = piece.y.first_tap + y * g.y.stride, tap_x = piece.x.first_tap + phase + x * g.x.stride;
        to = std::copy_n(of_channel + (tap_y * g.x.filter + tap_x) * layer.depth(), layer.depth(), to);
      }
  }
  return rows;
}

std::shared_ptr<const std::byte> pack(Preparation& p, const Layer& layer) {
  const int input = layer.at.weights;
  const std::string kind = joined("float phases ", layer.g.y.stride, " ", layer.g.x.stride, " ", layer.joined, " ",
                                  layer.g.y.before, " ", layer.g.x.before, " ", layer.g.y.in, " ", layer.g.x.in);
  int64_t floats = 0;
  for (const Piece& piece : layer.pieces) floats += packed_floats(piece.columns, piece.depth);
  auto packed = packed_bytes(p, input, kind, floats * kFloat, [&](std::byte* to) {
    for (const Piece& piece : layer.pieces) {
      const auto rows = taps_of(layer, piece, reinterpret_cast<const float*>(p.input(input).constant));
      pack_float_columns(*layer.gemm, ColumnsLie::in_rows, rows.data(), piece.columns, piece.depth,
                         reinterpret_cast<float*>(to) + piece.weights);
    }
  });
  p.release(input);
  return packed;
}

// Copies one image with its margins.
void add_margins(const Layer& layer, const float* image, float* to) {
  const int64_t row = layer.g.x.out * layer.depth();
  to = std::fill_n(to, layer.rows.before * layer.width() * layer.depth(), 0.0f);
  for (int64_t y = 0; y < layer.g.y.out; ++y) {
    to = std::fill_n(to, layer.columns.before * layer.depth(), 0.0f);
    to = std::copy_n(image + y * row, row, to);
    to = std::fill_n(to, layer.columns.after * layer.depth(), 0.0f);
  }
  std::fill_n(to, layer.rows.after * layer.width() * layer.depth(), 0.0f);
}

const float* bias_of(const Invocation& v, const Layer& layer) {
  if (!layer.biased) return nullptr;
  const float* bias = v.in<float>(layer.at.bias);
  if (!layer.joined) return bias;
  float* to = v.scratch<float>(layer.repeated);
  for (int64_t phase = 0; phase < layer.g.x.stride; ++phase) to = std::copy_n(bias, layer.g.channels_out, to);
  return v.scratch<float>(layer.repeated);
}

// One row of a piece's outputs; `image` begins with the margins.
void multiply_row(const Layer& layer, const Piece& piece, const float* image, int64_t row, const float* bias,
                  float* out) {
  const TransposedGeometry& g = layer.g;
  const int64_t y = piece.y.first_in + row + layer.rows.before, x = piece.x.first_in + layer.columns.before;
  const int64_t out_y = piece.y.first_out + row * g.y.stride, step = layer.width() * layer.depth();
  const auto* weights = reinterpret_cast<const float*>(layer.weights.get()) + piece.weights;
  layer.gemm->multiply({{image + y * step + x * layer.depth(), piece.x.count, layer.depth(), piece.y.taps,
                         piece.x.taps * layer.depth(), step},
                        weights,
                        kFloatSlice * piece.depth,
                        piece.columns,
                        {out + (out_y * g.x.in + piece.x.first_out) * g.channels_out, g.x.stride * g.channels_out, bias,
                         layer.range.min, layer.range.max}});
}

void run(const Invocation& v, const Layer& layer) {
  const TransposedGeometry& g = layer.g;
  const float* bias = bias_of(v, layer);
  for (int64_t batch = 0; batch < g.batches; ++batch) {
    const float* image = v.in<float>(layer.at.data) + batch * g.image();
    float* out = v.out<float>(0) + batch * g.outputs();
    if (layer.padded >= 0) {
      add_margins(layer, image, v.scratch<float>(layer.padded));
      image = v.scratch<float>(layer.padded);
    }
    for (const Piece& piece : layer.pieces)
      v.parallel(piece.y.count, grain_of_products(piece.x.count * piece.columns * piece.depth),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t row = begin; row < end; ++row) multiply_row(layer, piece, image, row, bias, out);
                 });
  }
}

// Where one dimension has one element, the other may be either: the kernels want it to be x.
TransposedGeometry turned(TransposedGeometry g) {
  if (g.x.in == 1 && g.x.filter == 1 && g.x.out == 1) std::swap(g.x, g.y);
  return g;
}

}  // namespace

Compute fast_transpose_conv_float(Preparation& p, const TransposedGeometry& geometry, const TransposedPlaces& at,
                                  int64_t activation) {
  const FloatGemm* gemm = float_gemm();
  if (!gemm || !p.input(at.weights).is_constant()) return {};
  const TransposedGeometry g = turned(geometry);
  const std::vector<Phase> rows = phases_of(g.y), columns = phases_of(g.x);
  constexpr size_t kMostPieces = 1024;  // more, and each has next to nothing to do
  if (rows.size() * columns.size() > kMostPieces) return {};
  const bool joined = are_joined(g.x, columns);
  auto layer = std::make_shared<Layer>(Layer{gemm,
                                             g,
                                             at,
                                             p.has_input(at.bias),
                                             joined,
                                             activation_range(activation),
                                             {},
                                             Margins(g.y, rows),
                                             Margins(g.x, columns),
                                             {}});
  int64_t packed = 0;
  for (const Phase& y : rows)
    for (size_t i = 0; i < (joined ? 1 : columns.size()); ++i) {
      const Phase& x = columns[i];
      layer->pieces.push_back(
          {y, x, layer->phases_of_columns() * g.channels_out, y.taps * x.taps * g.channels_in, packed});
      packed += packed_floats(layer->pieces.back().columns, layer->pieces.back().depth);
    }
  layer->weights = pack(p, *layer);
  const bool has_margins = layer->width() > g.x.out || layer->height() > g.y.out;
  if (has_margins) layer->padded = p.scratch(layer->width() * layer->height() * g.channels_in * kFloat);
  if (joined && layer->biased) layer->repeated = p.scratch(g.x.stride * g.channels_out * kFloat);
  return [layer](const Invocation& v) { run(v, *layer); };
}

}  // namespace subgraft
