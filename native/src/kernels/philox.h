// Philox4x32-10, the counter-based generator of TensorFlow's random ops, and the numbers that they make of its bits;
// and Threefry, StableHLO's other one.
// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace subgraft {

class Philox {
 public:
  using Block = std::array<uint32_t, 4>;

  Philox(uint64_t key, uint64_t stream) : key_(key), stream_(stream) {}

  // 128 bits.
  static Block block(uint64_t key, uint64_t position, uint64_t stream) {
    Block counter = {static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32),
                     static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
    std::array<uint32_t, 2> keys = {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
    for (int round = 0; round < kRounds; ++round) {
      const uint64_t a = uint64_t{counter[0]} * 0xd2511f53, b = uint64_t{counter[2]} * 0xcd9e8d57;
      counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ keys[0], static_cast<uint32_t>(b),
                 static_cast<uint32_t>(a >> 32) ^ counter[3] ^ keys[1], static_cast<uint32_t>(a)};
      keys[0] += 0x9e3779b9;
      keys[1] += 0xbb67ae85;
    }
    return counter;
  }

  // The next ones.
  Block operator()() {
    const Block bits = block(key_, position_, stream_);
    skip(1);
    return bits;
  }

  void skip(uint64_t blocks) {
    position_ += blocks;
    if (position_ < blocks) ++stream_;  // one counter of 128 bits
  }

 private:
  static constexpr int kRounds = 10;

  uint64_t key_, position_ = 0, stream_;
};

// Threefry2x32-20 of the same paper: 64 bits.
inline std::array<uint32_t, 2> threefry(uint64_t key, uint64_t position) {
  constexpr int kRotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  constexpr int kSteps = 5;  // of four rounds
  const auto low = static_cast<uint32_t>(key), high = static_cast<uint32_t>(key >> 32);
  const uint32_t keys[3] = {low, high, low ^ high ^ 0x1bd11bda};
  std::array<uint32_t, 2> x = {static_cast<uint32_t>(position) + keys[0],
                               static_cast<uint32_t>(position >> 32) + keys[1]};
  for (uint32_t step = 0; step < kSteps; ++step) {
    for (const int rotation : kRotations[step % 2]) {
      x[0] += x[1];
      x[1] = std::rotl(x[1], rotation) ^ x[0];
    }
    x[0] += keys[(step + 1) % 3];
    x[1] += keys[(step + 2) % 3] + step + 1;
  }
  return x;
}

// In [0, 1), from the lowest 23 bits.
inline float uniform(uint32_t bits) { return std::bit_cast<float>(0x3f800000u | (bits & 0x7fffff)) - 1.0f; }

// In [0, 1), from 20 bits of `high` and all of `low`.
inline double uniform(uint32_t high, uint32_t low) {
  const uint64_t mantissa = uint64_t{high & 0xfffff} << 32 | low;
  return std::bit_cast<double>(uint64_t{1023} << 52 | mantissa) - 1.0;
}

// Two normally distributed numbers, by Box and Muller.
inline std::array<float, 2> normal(uint32_t a, uint32_t b) {
  constexpr float kLeast = 1e-7f;  // keeps the logarithm finite
  const float u = std::fmax(uniform(a), kLeast);
  const float angle = static_cast<float>(2 * std::numbers::pi * uniform(b));
  const float radius = std::sqrt(-2.0f * std::log(u));
  return {std::sin(angle) * radius, std::cos(angle) * radius};
}

}  // namespace subgraft
