// FarmHash's Fingerprint64: a hash of bytes that is the same everywhere and forever. The algorithm is Google's,
// published as farmhashna (https://github.com/google/farmhash).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

namespace subgraft {

class FarmHash {
 public:
  static uint64_t fingerprint(const void* data, uint64_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    if (size <= 16) return tiny(bytes, size);
    if (size <= 32) return small(bytes, size);
    if (size <= 64) return medium(bytes, size);
    return large(bytes, size);
  }

 private:
  static constexpr uint64_t k0 = 0xc3a5c85c97cb3127, k1 = 0xb492b66fbe98f273, k2 = 0x9ae16a3b2f90404f;
  using Pair = std::pair<uint64_t, uint64_t>;

  template <typename T>
  static uint64_t load(const uint8_t* at) {  // little-endian on every machine that we build for
    static_assert(std::endian::native == std::endian::little);
    T value;
    std::memcpy(&value, at, sizeof(T));
    return value;
  }
  static uint64_t word(const uint8_t* at) { return load<uint64_t>(at); }
  static uint64_t fold(uint64_t x) { return x ^ (x >> 47); }
  static uint64_t mix(uint64_t a, uint64_t b, uint64_t factor) {
    return fold((b ^ fold((a ^ b) * factor)) * factor) * factor;
  }

  static uint64_t tiny(const uint8_t* s, uint64_t n) {
    const uint64_t factor = k2 + n * 2;
    if (n >= 8) {
      const uint64_t a = word(s) + k2, b = word(s + n - 8);
      return mix(std::rotr(b, 37) * factor + a, (std::rotr(a, 25) + b) * factor, factor);
    }
    if (n >= 4) return mix(n + (load<uint32_t>(s) << 3), load<uint32_t>(s + n - 4), factor);
    if (n == 0) return k2;
    const uint64_t head = s[0] + (uint64_t{s[n / 2]} << 8), tail = n + (uint64_t{s[n - 1]} << 2);
    return fold(head * k2 ^ tail * k0) * k2;
  }

  static uint64_t small(const uint8_t* s, uint64_t n) {
    const uint64_t factor = k2 + n * 2;
    const uint64_t a = word(s) * k1, b = word(s + 8), c = word(s + n - 8) * factor, d = word(s + n - 16) * k2;
    return mix(std::rotr(a + b, 43) + std::rotr(c, 30) + d, a + std::rotr(b + k2, 18) + c, factor);
  }

  static uint64_t medium(const uint8_t* s, uint64_t n) {
    const uint64_t factor = k2 + n * 2;
    const uint64_t a = word(s) * k2, b = word(s + 8), c = word(s + n - 8) * factor, d = word(s + n - 16) * k2;
    const uint64_t y = std::rotr(a + b, 43) + std::rotr(c, 30) + d;
    const uint64_t z = mix(y, a + std::rotr(b + k2, 18) + c, factor);
    const uint64_t e = word(s + 16) * factor, f = word(s + 24);
    const uint64_t g = (y + word(s + n - 32)) * factor, h = (z + word(s + n - 24)) * factor;
    return mix(std::rotr(e + f, 43) + std::rotr(g, 30) + h, e + std::rotr(f + a, 18) + g, factor);
  }

  static Pair mix32(const uint8_t* s, uint64_t a, uint64_t b) {
    const uint64_t last = word(s + 24);
    a += word(s);
    b = std::rotr(b + a + last, 21);
    const uint64_t first = a;
    a += word(s + 8) + word(s + 16);
    return {a + last, b + std::rotr(a, 44) + first};
  }

  struct State {
    uint64_t x, y, z;
    Pair v, w;
  };

  // Takes in 64 bytes; the last ones weigh in more.
  static void absorb(State& t, const uint8_t* s, uint64_t factor, uint64_t weight) {
    t.x = std::rotr(t.x + t.y + t.v.first + word(s + 8), 37) * factor;
    t.y = std::rotr(t.y + t.v.second + word(s + 48), 42) * factor;
    t.x ^= t.w.second * weight;
    t.y += t.v.first * weight + word(s + 40);
    t.z = std::rotr(t.z + t.w.first, 33) * factor;
    t.v = mix32(s, t.v.second * factor, t.x + t.w.first);
    t.w = mix32(s + 32, t.z + t.w.second, t.y + word(s + 16));
    std::swap(t.z, t.x);
  }

  static uint64_t large(const uint8_t* s, uint64_t n) {
    constexpr uint64_t seed = 81, y = seed * k1 + 113;
    State t{seed * k2 + word(s), y, fold(y * k2 + 113) * k2, {}, {}};
    const uint64_t rest = (n - 1) & 63;
    const uint8_t* end = s + (n - 1 - rest);
    for (; s != end; s += 64) absorb(t, s, k1, 1);
    const uint64_t factor = k1 + ((t.z & 0xff) << 1);
    t.w.first += rest;
    t.v.first += t.w.first;
    t.w.first += t.v.first;
    absorb(t, end + rest - 63, factor, 9);
    return mix(mix(t.v.first, t.w.first, factor) + fold(t.y) * k0 + t.z, mix(t.v.second, t.w.second, factor) + t.x,
               factor);
  }
};

}  // namespace subgraft
