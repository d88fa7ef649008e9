// A sum over memory that tells damage, as fast as memory is read. It does not tell forgery.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace subgraft {

struct Checksum {
  uint64_t first = 0, second = 0;
  bool operator==(const Checksum&) const = default;
};

// Fletcher's two sums of 64-bit words in eight lanes: the second weighs every word by its place, so that parts that
// changed places are seen too. Zeros fill the last eight words; the size counts.
inline Checksum checksum(std::span<const std::byte> bytes) {
  constexpr size_t kLanes = 8, kStripe = kLanes * sizeof(uint64_t);
  uint64_t sums[kLanes] = {}, places[kLanes] = {};
  const auto add = [&](const std::byte* from) {
    uint64_t words[kLanes];
    std::memcpy(words, from, kStripe);
    for (size_t i = 0; i < kLanes; ++i) {
      sums[i] += words[i];
      places[i] += sums[i];
    }
  };
  size_t at = 0;
  for (; at + kStripe <= bytes.size(); at += kStripe) add(bytes.data() + at);
  std::byte rest[kStripe] = {};
  if (at < bytes.size()) std::memcpy(rest, bytes.data() + at, bytes.size() - at);
  add(rest);
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 / the golden ratio
  Checksum folded{bytes.size(), ~uint64_t{bytes.size()}};
  for (size_t i = 0; i < kLanes; ++i) {
    folded.first = std::rotl((folded.first ^ sums[i]) * kOdd, 29);
    folded.second = std::rotl((folded.second ^ places[i]) * kOdd, 31);
  }
  return folded;
}

}  // namespace subgraft
