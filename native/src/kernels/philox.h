// Philox4x32-10, the counter-based generator of TensorFlow's random ops, and the numbers that they make of its bits.
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

  Philox(uint64_t key, uint64_t stream)
      : key_{static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)}, stream_(stream) {}

  // The next 128 bits.
  Block operator()() {
    Block counter = {static_cast<uint32_t>(position_), static_cast<uint32_t>(position_ >> 32),
                     static_cast<uint32_t>(stream_), static_cast<uint32_t>(stream_ >> 32)};
    std::array<uint32_t, 2> key = key_;
    for (int round = 0; round < kRounds; ++round) {
      const uint64_t a = uint64_t{counter[0]} * 0xd2511f53, b = uint64_t{counter[2]} * 0xcd9e8d57;
      counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
                 static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
      key[0] += 0x9e3779b9;
      key[1] += 0xbb67ae85;
    }
    skip(1);
    return counter;
  }

  void skip(uint64_t blocks) {
    position_ += blocks;
    if (position_ < blocks) ++stream_;  // one counter of 128 bits
  }

 private:
  static constexpr int kRounds = 10;

  std::array<uint32_t, 2> key_;
  uint64_t position_ = 0, stream_;
};

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
