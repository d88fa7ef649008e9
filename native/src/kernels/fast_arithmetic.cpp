#include "kernels/fast_arithmetic.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

namespace subgraft {
namespace {

// Left shifts are for sums only.
bool fits_input(Multiplier m) { return m.value >= 0 && m.shift <= 0; }

constexpr int64_t kBytes = 256;  // that there are

// Of `count` first bytes from `first` on and all second ones, the second faster.
void pairs(const PairFunctions& functions, const void* parameters, int64_t first, int64_t count, std::byte* results) {
  static constexpr auto kAll = [] {
    std::array<uint8_t, kBytes> all{};
    for (int i = 0; i < kBytes; ++i) all[i] = static_cast<uint8_t>(i);
    return all;
  }();
  functions.a_repeats(parameters, kAll.data() + first, kAll.data(), results, {count, kBytes, 1, 0});
}

// Most that differ do so in each of the first bytes: they are looked at in parts.
bool gives(const PairFunctions& functions, const void* parameters, const std::vector<std::byte>& exact) {
  constexpr int64_t kPart = 8;
  std::byte results[kPart * kBytes];
  for (int64_t first = 0; first < kBytes; first += kPart) {
    pairs(functions, parameters, first, kPart, results);
    if (std::memcmp(results, exact.data() + first * kBytes, sizeof results) != 0) return false;
  }
  return true;
}

}  // namespace

bool fits_fast_scaling(Multiplier m, int bits) {
  // A right shift of 31 needs one more bit while it rounds.
  return m.value >= 0 && m.shift <= 30 - bits && m.shift >= (bits < 30 ? -31 : -30);
}

Scaling scaling(Multiplier m) { return {m.value, std::max(m.shift, 0), std::max(-m.shift, 0)}; }

std::optional<FloatPair> equal_float_sum(const Preparation& p, const Elementwise::Quantized& table, int sign,
                                         const QuantizedPair& pair) {
  std::vector<std::byte> exact(kBytes * kBytes);
  pairs(sign > 0 ? table.add : table.subtract, &pair, 0, kBytes, exact.data());
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
    if (gives(table.float_sum, &sum, exact)) return sum;
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
