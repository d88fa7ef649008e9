// LOGISTIC and TANH of int16 as TFLite computes them: lines between 256 points of the sigmoid.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace subgraft {

// sigmoid(i / 24) in units of 2^-16: rounded to nearest, except that TFLite has one more at the set bits.
inline std::array<uint16_t, 256> make_sigmoid_points() {
  constexpr uint64_t one_more[] = {0xc0467baefa7bd110, 0x0011009020440005, 0x0000000000000080, 0x8000000000000000};
  std::array<uint16_t, 256> points{};
  for (int i = 0; i < 256; ++i)
    points[i] =
        static_cast<uint16_t>(std::lround(65536 / (1 + std::exp(-i / 24.0))) + (one_more[i / 64] >> i % 64 & 1));
  return points;
}

// An input in units of 1 / (3 * 4096): x * multiplier / 2^shift, rounded.
struct SigmoidInput {
  int32_t multiplier = 0;
  int shift = 0;

  int32_t operator()(int16_t x) const { return (x * multiplier + (shift > 0 ? 1 << (shift - 1) : 0)) >> shift; }
};

// Output in units of 2^-15.
class Logistic16 {
 public:
  explicit Logistic16(SigmoidInput input) : input_(input), points_(make_sigmoid_points()) {}

  int16_t operator()(int16_t value) const {
    const int32_t x = input_(value);
    const uint32_t distance = static_cast<uint32_t>(x < 0 ? -x : x);
    const uint32_t i = distance >> 9;
    uint32_t y = 0x7fff << 10;  // units of 2^-25
    if (i < 255) y = (uint32_t{points_[i]} << 9) + (distance & 511) * (points_[i + 1] - points_[i]);
    return static_cast<int16_t>((x >= 0 ? y + (1 << 9) : (1 << 25) - y + (1 << 9) - 1) >> 10);
  }

 private:
  SigmoidInput input_;
  std::array<uint16_t, 256> points_;
};

// tanh(x) = 2 sigmoid(2 x) - 1. Output in units of 2^-15.
class Tanh16 {
 public:
  explicit Tanh16(SigmoidInput input) : input_(input), points_(make_sigmoid_points()) {}

  int16_t operator()(int16_t value) const {
    const int32_t x = input_(value);
    const uint32_t distance = static_cast<uint32_t>(x < 0 ? -x : x);
    const uint32_t i = distance >> 8;
    int32_t y = 0xffff << 8;  // units of 2^-24
    if (i < 255)
      y = static_cast<int32_t>((uint32_t{points_[i]} << 8) + (distance & 255) * (points_[i + 1] - points_[i]));
    const int32_t half = 1 << 23;
    return static_cast<int16_t>((x >= 0 ? y - half + (1 << 7) : half - y + (1 << 7) - 1) >> 8);
  }

 private:
  SigmoidInput input_;
  std::array<uint16_t, 256> points_;
};

}  // namespace subgraft
