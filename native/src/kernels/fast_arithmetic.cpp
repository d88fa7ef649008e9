#include "kernels/fast_arithmetic.h"

namespace subgraft {
namespace {

// Left shifts are for sums only; a right shift of 31 would need one more bit while it rounds.
bool fits_input(Multiplier m) { return m.value >= 0 && m.value <= kLargestFactor && m.shift <= 0; }

Scaling scaling(Multiplier m) { return {m.value, std::max(m.shift, 0), std::max(-m.shift, 0)}; }

}  // namespace

bool fits_fast_pair(const CommonScale* common, const QuantizedOutput& output, int bits) {
  if (common && !(fits_input(common->multiplier[0]) && fits_input(common->multiplier[1]))) return false;
  return output.multiplier.value >= 0 && output.multiplier.shift <= 30 - bits && output.multiplier.shift >= -30;
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
