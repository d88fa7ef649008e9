#include "kernels/transpose_conv_int16.h"

#include "kernels/dot.h"

namespace subgraft {
namespace {

constexpr int kWeights = 1, kData = 2, kBias = 3;

// The elements of a filter that reach the outputs o of one phase along an axis: those with (o + before) % stride equal
// to the phase.
struct Phase {
  int64_t first, count;  // taps first, first + stride, ...

  Phase(const Window& w, int64_t phase)
      : first(phase), count(phase < w.filter ? (w.filter - 1 - phase) / w.stride + 1 : 0) {}
};

// Outputs of one phase along both axes are a convolution of their own, whose taps are runs of input channels.
struct Phases {
  TransposedGeometry g;
  std::vector<PackedInt16> weights;  // [y phases][x phases]
};

Phases pack(const TransposedGeometry& g, const int8_t* weights) {
  Phases phases{g, {}};
  for (int64_t phase_y = 0; phase_y < g.y.stride; ++phase_y) {
    for (int64_t phase_x = 0; phase_x < g.x.stride; ++phase_x) {
      const Phase y(g.y, phase_y), x(g.x, phase_x);
      // Outputs that nothing reaches have one run of zeros.
      PackedInt16 packed(g.channels_out, std::max<int64_t>(1, y.count * x.count), g.channels_in);
      for (int64_t channel = 0; channel < g.channels_out; ++channel)
        for (int64_t run = 0; run < y.count * x.count; ++run) {
          const int64_t tap_y = y.first + run / x.count * g.y.stride, tap_x = x.first + run % x.count * g.x.stride;
          packed.set(channel, run, 0, weights + ((channel * g.y.filter + tap_y) * g.x.filter + tap_x) * g.channels_in,
                     g.channels_in);
        }
      phases.weights.push_back(std::move(packed));
    }
  }
  return phases;
}

// One row of outputs of one phase.
struct PhaseRow {
  const TransposedGeometry& g;
  const int16_t* image;
  const int16_t* zeros;
  int64_t out_y, phase_y, phase_x;

  int64_t first_x() const { return (phase_x - g.x.before % g.x.stride + g.x.stride) % g.x.stride; }
  int64_t positions() const { return first_x() < g.x.in ? (g.x.in - 1 - first_x()) / g.x.stride + 1 : 0; }

  // Of `count` positions from `position` on; the number of runs.
  int64_t gather(int64_t position, int64_t count, Int16Rows& to) const {
    const Phase y(g.y, phase_y), x(g.x, phase_x);
    const int64_t in_y = (out_y + g.y.before) / g.y.stride;
    const int64_t in_x = (first_x() + g.x.before) / g.x.stride + position;
    const int16_t** next = to.pointers;
    for (int64_t j = 0; j < y.count; ++j) {
      const bool inside = in_y - j >= 0 && in_y - j < g.y.out;
      for (int64_t i = 0; i < x.count; ++i)
        for (int64_t r = 0; r < count; ++r) {
          const int64_t column = in_x - i + r;
          *next++ = inside && column >= 0 && column < g.x.out ? image + ((in_y - j) * g.x.out + column) * g.channels_in
                                                              : zeros;
        }
    }
    if (y.count * x.count > 0) return y.count * x.count;
    std::fill_n(to.pointers, count, zeros);
    return 1;
  }
};

}  // namespace

Compute transpose_conv_int16_on_vectors(Preparation& p, const TransposedGeometry& g, bool sums_in_32_bits,
                                        const std::vector<Multiplier>& multipliers, Range<int32_t> range) {
  const Int16Gemm* gemm = int16_gemm();
  constexpr int64_t kMostStride = 16;  // larger ones have more phases than is worth it
  const int64_t taps = int64_t{g.y.filter} * g.x.filter;
  if (!gemm || g.channels_in % 2 != 0 || g.y.stride > kMostStride || g.x.stride > kMostStride) return {};
  const int64_t most = taps > Int16Rows::kPointers ? 0 : Int16Rows::rows_of(taps, g.channels_in, false);
  p.spell_out(kWeights);
  if (most == 0 || !p.input(kWeights).is_constant() || p.input(kWeights).dtype != DType::int8) return {};
  const auto finish = FinishInt16::make(p, kBias, sums_in_32_bits, multipliers, range);
  if (!finish) return {};
  const std::string kind = concat("int16 phases ", g.y.stride, "x", g.x.stride);
  const auto phases = p.shared<Phases>(
      kWeights, kind, [&] { return pack(g, reinterpret_cast<const int8_t*>(p.input(kWeights).constant)); });
  p.release(kWeights);
  const int64_t grain = grain_of(g.x.in * taps * g.channels_in * g.channels_out / (g.y.stride * g.x.stride) / 16);
  return [=, zeros = std::vector<int16_t>(g.channels_in),
          finish = std::make_shared<const FinishInt16>(*finish)](const Invocation& v) {
    v.parallel(int64_t{g.batches} * g.y.in, grain, [&](int64_t begin, int64_t end) {
      Int16Rows x;
      for (int64_t item = begin * g.x.stride; item < end * g.x.stride; ++item) {
        const int64_t out_row = item / g.x.stride, batch = out_row / g.y.in, out_y = out_row % g.y.in;
        const PhaseRow row{g,     v.in<int16_t>(kData) + batch * g.image(), zeros.data(),
                           out_y, (out_y + g.y.before) % g.y.stride,        item % g.x.stride};
        const PackedInt16& weights = phases->weights[row.phase_y * g.x.stride + row.phase_x];
        for (int64_t position = 0; position < row.positions(); position += most) {
          const int64_t rows = std::min(most, row.positions() - position);
          const int64_t runs = row.gather(position, rows, x);
          const int64_t column = row.first_x() + position * g.x.stride;
          multiply_int16(*gemm, weights, x, rows, runs, 0, weights.blocks(), *finish, 0,
                         v.out<int16_t>(0) + (out_row * g.x.in + column) * g.channels_out, g.x.stride * g.channels_out);
        }
      }
    });
  };
}

}  // namespace subgraft
