// FULLY_CONNECTED with weights in blocks of 4 rows and 16 columns, a block's rows one after the other, as TFLite once
// stored them for its ARM kernels. All zero points are 128, and the weights have theirs taken off.
#include "kernels/dot.h"
#include "kernels/fully_connected.h"
#include "kernels/requantize.h"
#include "kernels/weights.h"

namespace subgraft {
namespace {

constexpr int64_t kBlockRows = 4, kBlockColumns = 16;
constexpr uint8_t kZeroPoint = 128;

// Calls visit(place in the shuffled order, place in the plain order) for each element of a matrix [rows, columns].
template <typename Visit>
void each_place(int64_t rows, int64_t columns, Visit&& visit) {
  int64_t shuffled = 0;
  for (int64_t row = 0; row < rows; row += kBlockRows)
    for (int64_t column = 0; column < columns; column += kBlockColumns)
      for (int64_t r = 0; r < kBlockRows; ++r)
        for (int64_t c = 0; c < kBlockColumns; ++c) visit(shuffled++, (row + r) * columns + column + c);
}

std::vector<int8_t> unshuffled(const std::byte* weights, const FullyConnectedSizes& s) {
  std::vector<int8_t> plain(static_cast<size_t>(s.units * s.depth));
  each_place(s.units, s.depth, [&](int64_t from, int64_t to) { plain[to] = static_cast<int8_t>(weights[from]); });
  return plain;
}

// The activations as int8: in blocks where there are 4 rows, in plain order for any other number of rows.
void shuffle_activations(const FullyConnectedSizes& s, const uint8_t* in, uint8_t* shuffled) {
  if (s.rows == kBlockRows) {
    each_place(s.rows, s.depth, [&](int64_t to, int64_t from) { shuffled[to] = in[from] ^ kZeroPoint; });
  } else {
    for (int64_t i = 0; i < s.rows * s.depth; ++i) shuffled[i] = in[i] ^ kZeroPoint;
  }
}

}  // namespace

Compute fully_connected_shuffled(Preparation& p, const FullyConnectedSizes& s) {
  p.require(p.input(0).dtype == DType::uint8 && p.input(1).dtype == DType::uint8 && p.output(0).dtype == DType::int16 &&
                p.output(1).dtype == DType::uint8,
            "shuffled weights are for inputs of uint8 and outputs of int16 and uint8");
  p.require(s.units % kBlockRows == 0 && s.depth % kBlockColumns == 0, "shuffled weights of shape ",
            p.input(1).shape.text(), " do not divide into blocks of 4 x 16");
  p.spell_out(1);
  if (!p.input(1).is_constant()) p.unsupported("shuffled weights that are not constant");
  p.set_output(1, Shape{static_cast<int32_t>(s.rows), static_cast<int32_t>(s.depth)});
  const bool biased = has_bias(p, 2, DType::int32, s.units);
  const std::vector<Multiplier> multipliers(static_cast<size_t>(s.units), quantize_multiplier(effective_scale(p, 1)));
  const auto range = output_range<int16_t>(p, p.options().integer("fused_activation_function"));
  const auto weights =
      p.shared<std::vector<int8_t>>(1, "unshuffled", [&] { return unshuffled(p.input(1).constant, s); });
  return [=](const Invocation& v) {
    shuffle_activations(s, v.in<uint8_t>(0), v.out<uint8_t>(1));
    const Requantize<int16_t, int32_t> finish{multipliers.data(), biased ? v.in<int32_t>(2) : nullptr, 0, range,
                                              v.out<int16_t>(0)};
    parallel_tiles(v, s.rows, s.units, s.depth, [&](const Tile& tile) {
      multiply<uint32_t>(
          v.in<uint8_t>(0), weights->data(), s.depth, tile,
          [](int64_t) { return CenteredProduct<uint8_t>{kZeroPoint}; },
          [&](int64_t row, int64_t unit, uint32_t sum) { finish(row * s.units + unit, unit, sum); });
    });
  };
}

}  // namespace subgraft
