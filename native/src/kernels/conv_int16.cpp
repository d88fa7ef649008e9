#include "kernels/conv_int16.h"

#include <cstring>

#include "kernels/dot.h"
#include "kernels/int16_in_tiles.h"
#include "kernels/weights.h"

namespace subgraft {
namespace {

// Rows of a run of odd length, or of parts that are no neighbours, are copied; others are read where they are. A tap is
// a run of its own where it has an even number of elements: where all columns of a window are inside the image, those
// of one row of the filter are one run too, with the same order of weights.
struct ConvPlan {
  ConvGeometry g;
  bool copied;
  int64_t runs, run;  // as packed
  int64_t rows;       // of one product
  std::vector<int16_t> zeros;

  explicit ConvPlan(const ConvGeometry& geometry) : g(geometry), copied(geometry.depth % 2 != 0) {
    const int64_t taps = int64_t{g.y.filter} * g.x.filter;
    runs = copied ? 1 : taps;
    run = copied ? taps * g.depth : g.depth;
    rows = runs > Int16Rows::kPointers ? 0 : Int16Rows::rows_of(runs, (run + 1) / 2 * 2, copied);
    zeros.resize(static_cast<size_t>(g.x.filter) * g.depth);
  }

  // Of the pixels from `first` on; the number of runs that their pointers are for.
  int64_t gather(const int16_t* in, int64_t first, int64_t count, int64_t group, Int16Rows& to) const;

 private:
  struct Place {
    const int16_t* image;
    int64_t y, x;  // of the first tap, perhaps outside the image
  };
  Place place(const int16_t* in, int64_t pixel) const {
    const int64_t row = pixel / g.x.out, batch = row / g.y.out;
    return {in + batch * g.image(), g.y.origin(row - batch * g.y.out), g.x.origin(pixel - row * g.x.out)};
  }
  const int16_t* tap(const Place& at, int64_t y, int64_t x) const {
    const int64_t in_y = at.y + y * g.y.dilation, in_x = at.x + x * g.x.dilation;
    if (in_y < 0 || in_y >= g.y.in || in_x < 0 || in_x >= g.x.in) return nullptr;
    return at.image + (in_y * g.x.in + in_x) * g.channels_in;
  }
  void copy(const Place& at, int64_t first_in, int16_t* to) const;
};

void ConvPlan::copy(const Place& at, int64_t first_in, int16_t* to) const {
  const int64_t row = g.x.filter * g.depth;
  const bool whole = g.groups == 1 && g.x.dilation == 1 && at.x >= 0 && at.x + g.x.filter <= g.x.in;
  for (int64_t y = 0; y < g.y.filter; ++y) {
    if (const int16_t* from = whole ? tap(at, y, 0) : nullptr) {
      std::memcpy(to, from, row * sizeof(int16_t));
      to += row;
      continue;
    }
    for (int64_t x = 0; x < g.x.filter; ++x, to += g.depth) {
      const int16_t* from = tap(at, y, x);
      for (int64_t i = 0; i < g.depth; ++i) to[i] = from ? from[first_in + i] : int16_t{0};
    }
  }
  if (run % 2 != 0) *to = 0;
}

int64_t ConvPlan::gather(const int16_t* in, int64_t first, int64_t count, int64_t group, Int16Rows& to) const {
  const int64_t first_in = group * g.depth, last_x = (g.x.filter - 1) * g.x.dilation;
  bool whole = g.groups == 1 && g.x.dilation == 1;
  Place places[kInt16Rows];
  for (int64_t r = 0; r < count; ++r) {
    places[r] = place(in, first + r);
    whole = whole && places[r].x >= 0 && places[r].x + last_x < g.x.in;
  }
  if (copied) {
    for (int64_t r = 0; r < count; ++r) {
      int16_t* row = to.copies + r * ((run + 1) / 2 * 2);
      copy(places[r], first_in, row);
      to.pointers[r] = row;
    }
    return 1;
  }
  const int64_t columns = whole ? 1 : g.x.filter;
  const int16_t** next = to.pointers;
  for (int64_t y = 0; y < g.y.filter; ++y) {
    for (int64_t x = 0; x < columns; ++x, next += count) {
      for (int64_t r = 0; r < count; ++r) {
        const int16_t* from = tap(places[r], y, x);
        next[r] = from ? from + first_in : zeros.data();
      }
    }
  }
  return g.y.filter * columns;
}

// Constant weights as signed 8-bit numbers, unpacked for the time being where they have less bits.
class ConstantWeights {
 public:
  explicit ConstantWeights(const Operand& weights)
      : unpacked_(dtype_bits(weights.dtype) < 8
                      ? unpack_signed(weights.constant, dtype_bits(weights.dtype), weights.shape.elements())
                      : std::vector<int8_t>()),
        data_(unpacked_.empty() ? reinterpret_cast<const int8_t*>(weights.constant) : unpacked_.data()) {}
  const int8_t* data() const { return data_; }

 private:
  std::vector<int8_t> unpacked_;
  const int8_t* data_;
};

// One for each group.
std::vector<PackedInt16> pack(const Operand& operand, const ConvPlan& plan) {
  const ConvGeometry& g = plan.g;
  const ConstantWeights weights(operand);
  const int64_t channels = g.channels_out / g.groups;
  std::vector<PackedInt16> packed;
  for (int64_t group = 0; group < g.groups; ++group) {
    packed.emplace_back(channels, plan.runs, plan.run);
    for (int64_t channel = 0; channel < channels; ++channel)
      for (int64_t run = 0; run < plan.runs; ++run)
        packed.back().set(channel, run, 0, weights.data() + (group * channels + channel) * g.taps() + run * plan.run,
                          plan.run);
  }
  return packed;
}

// Pieces of a product of rows by blocks of channels that threads share: by rows where there are many.
struct Pieces {
  int64_t row_pieces, rows, block_pieces, blocks, all_rows, all_blocks;

  Pieces(int64_t all_rows, int64_t rows, int64_t all_blocks, int threads)
      : row_pieces((all_rows + rows - 1) / rows),
        rows(rows),
        block_pieces(row_pieces >= 4 * threads ? 1 : (all_blocks + 3) / 4),
        blocks(block_pieces == 1 ? all_blocks : 4),
        all_rows(all_rows),
        all_blocks(all_blocks) {}

  int64_t count() const { return row_pieces * block_pieces; }
  // work(first row, rows, first block, last block)
  template <typename Work>
  void each(int64_t begin, int64_t end, Work&& work) const {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / block_pieces * rows, block = i % block_pieces * blocks;
      work(row, std::min(rows, all_rows - row), block, std::min(all_blocks, block + blocks));
    }
  }
};

}  // namespace

Compute conv_int16_on_vectors(Preparation& p, const ConvGeometry& g, bool sums_in_32_bits,
                              const std::vector<Multiplier>& multipliers, Range<int32_t> range) {
  const Int16Gemm* gemm = int16_gemm();
  const auto plan = std::make_shared<const ConvPlan>(g);
  if (!gemm || plan->rows == 0) return {};
  p.spell_out(1);
  if (!p.input(1).is_constant()) return {};
  const auto finish = FinishInt16::make(p, 2, sums_in_32_bits, multipliers, range);
  if (!finish) return {};
  const auto packed =
      p.shared<std::vector<PackedInt16>>(1, "int16 convolution", [&] { return pack(p.input(1), *plan); });
  p.release(1);
  const Pieces pieces(g.pixels(), plan->rows, packed->front().blocks(), p.threads());
  const int64_t grain = grain_of(plan->rows * g.taps() * std::min<int64_t>(g.channels_out, 64) / 16);
  return [=, finish = std::make_shared<const FinishInt16>(*finish)](const Invocation& v) {
    v.parallel(pieces.count(), grain, [&](int64_t begin, int64_t end) {
      Int16Rows x;
      pieces.each(begin, end, [&](int64_t pixel, int64_t rows, int64_t first, int64_t last) {
        for (int64_t group = 0; group < plan->g.groups; ++group) {
          const PackedInt16& weights = (*packed)[group];
          const int64_t runs = plan->gather(v.in<int16_t>(0), pixel, rows, group, x);
          const int64_t channel = group * weights.channels();
          multiply_int16(*gemm, weights, x, rows, runs, first, last, *finish, channel,
                         v.out<int16_t>(0) + pixel * plan->g.channels_out + channel, plan->g.channels_out);
        }
      });
    });
  };
}

Compute fc_int16_on_vectors(Preparation& p, const FullyConnectedSizes& s, bool sums_in_32_bits,
                            const std::vector<double>& scales, Range<int32_t> range) {
  const Int16Gemm* gemm = int16_gemm();
  const bool copied = s.depth % 2 != 0;
  const int64_t most = Int16Rows::rows_of(1, (s.depth + 1) / 2 * 2, copied);
  if (!gemm || most == 0) return {};
  p.spell_out(1);
  if (!p.input(1).is_constant()) return {};
  const auto finish = FinishInt16::make(p, 2, sums_in_32_bits, scales, range);
  if (!finish) return {};
  if (Compute fast = fc_int16_in_tiles(p, s, *finish)) return fast;
  const auto packed = p.shared<PackedInt16>(1, "int16 pairs", [&] {
    const ConstantWeights weights(p.input(1));
    PackedInt16 made(s.units, 1, s.depth);
    for (int64_t unit = 0; unit < s.units; ++unit) made.set(unit, 0, 0, weights.data() + unit * s.depth, s.depth);
    return made;
  });
  p.release(1);
  const Pieces pieces(s.rows, most, packed->blocks(), p.threads());
  const int64_t grain = grain_of(std::min(s.rows, most) * s.depth * std::min<int64_t>(s.units, 64) / 16);
  return [=, finish = std::make_shared<const FinishInt16>(*finish)](const Invocation& v) {
    v.parallel(pieces.count(), grain, [&](int64_t begin, int64_t end) {
      Int16Rows x;
      pieces.each(begin, end, [&](int64_t row, int64_t rows, int64_t first, int64_t last) {
        const int16_t* in = v.in<int16_t>(0) + row * s.depth;
        for (int64_t r = 0; r < rows; ++r) {
          x.pointers[r] = in + r * s.depth;
          if (!copied) continue;
          int16_t* copy = x.copies + r * (s.depth + 1);
          std::memcpy(copy, in + r * s.depth, s.depth * sizeof(int16_t));
          copy[s.depth] = 0;
          x.pointers[r] = copy;
        }
        multiply_int16(*gemm, *packed, x, rows, 1, first, last, *finish, 0, v.out<int16_t>(0) + row * s.units, s.units);
      });
    });
  };
}

}  // namespace subgraft
