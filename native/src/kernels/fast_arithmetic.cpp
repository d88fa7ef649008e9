#include "kernels/fast_arithmetic.h"

#include <array>
#include <cstddef>
#include <vector>

namespace subgraft {
namespace {

// Left shifts are for sums only.
bool fits_input(Multiplier m) { return m.value >= 0 && m.shift <= 0; }

// All pairs of bytes, the second one faster.
std::vector<std::byte> all_pairs(const PairFunctions& functions, const void* parameters) {
  std::array<uint8_t, 256> bytes;
  for (int i = 0; i < 256; ++i) bytes[i] = static_cast<uint8_t>(i);
  std::vector<std::byte> results(256 * 256);
  functions.a_repeats(parameters, bytes.data(), bytes.data(), results.data(), {256, 256, 1, 0});
  return results;
}

}  // namespace

bool fits_fast_scaling(Multiplier m, int bits) {
  // A right shift of 31 needs one more bit while it rounds.
  return m.value >= 0 && m.shift <= 30 - bits && m.shift >= (bits < 30 ? -31 : -30);
}

Scaling scaling(Multiplier m) { return {m.value, std::max(m.shift, 0), std::max(-m.shift, 0)}; }

std::optional<FloatPair> equal_float_sum(const Preparation& p, const Elementwise::Quantized& table, int sign,
                                         const QuantizedPair& pair) {
  const std::vector<std::byte> exact = all_pairs(sign > 0 ? table.add : table.subtract, &pair);
  const double out = p.output(0).scale();
  // Ties away from zero, in fixed point, differ from ties to even; a little more makes them go the same way.
  for (const double more : {0.0, 0x1p-22, 0x1p-24, -0x1p-23}) {
    FloatPair sum{};
    for (int i = 0; i < 2; ++i) {
      sum.factor[i] = static_cast<float>(p.input(i).scale() / out * (1 + more) * (i == 1 ? sign : 1));
      sum.zero_point[i] = pair.zero_point[i];
    }
    sum.output_zero_point = pair.output_zero_point;
    sum.range = pair.range;
    if (all_pairs(table.float_sum, &sum) == exact) return sum;
  }
  return {};
}

bool fits_fast_pair(const CommonScale* common, const QuantizedOutput& output, int bits) {
  if (common && !(fits_input(common->multiplier[0]) && fits_input(common->multiplier[1]))) return false;
  return fits_fast_scaling(output.multiplier, bits);
}

QuantizedPair quantized_pair(const Preparation& p, const CommonScale* common, const QuantizedOutput& output) {
  QuantizedPair pair;
  for (int i = 0; i < 2; ++i) {
    pair.zero_point[i] = p.input(i).zero_point();
    if (common) pair.input[i] = scaling(common->multiplier[i]);
  }
  pair.output = scaling(output.multiplier);
  pair.output_zero_point = output.zero_point;
  pair.range = {output.range.min, output.range.max};
  return pair;
}

}  // namespace subgraft
