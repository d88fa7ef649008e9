// Random numbers that are the same on every machine.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numbers>

namespace subgraft::compare {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
  uint64_t next() {
    uint64_t x = state_ += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
  }

  int64_t below(int64_t count) { return static_cast<int64_t>(next() % static_cast<uint64_t>(count)); }
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }  // both included
  bool once_in(int64_t count) { return below(count) == 0; }
  double uniform(double low, double high) { return low + (high - low) * (static_cast<double>(next() >> 11) * 0x1p-53); }
  double normal() {
    const double radius = std::sqrt(-2 * std::log(uniform(0x1p-53, 1)));
    return radius * std::cos(2 * std::numbers::pi * uniform(0, 1));
  }
  template <typename T>
  T pick(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<int64_t>(values.size()))];
  }
  // 1 to `largest`: often small, often next to a multiple of what vector registers hold.
  int32_t size(int64_t largest) {
    const int64_t kind = below(3);
    if (kind == 0) return static_cast<int32_t>(between(1, largest < 8 ? largest : 8));
    if (kind == 1) return static_cast<int32_t>(between(1, largest));
    const int64_t near = pick<int64_t>({4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256}) + between(-1, 1);
    return static_cast<int32_t>(near <= largest ? near : between(1, largest));
  }

 private:
  uint64_t state_;
};

}  // namespace subgraft::compare
