// The transformations of winograd.h, written once over the vectors of vector_*.h.
#pragma once

#include <cstdint>

#include "micro/unroll.h"
#include "micro/winograd.h"

namespace subgraft {
namespace {

constexpr float kNear2 = kWinogradNear * kWinogradNear, kFar2 = kWinogradFar * kWinogradFar;

// The coefficients that 6 inputs have with the polynomials through all points but one.
inline void transform_line(const Floats (&d)[kWinogradIn], Floats (&to)[kWinogradIn]) {
  const Floats sum2 = floats(-kNear2 - kFar2), product2 = floats(kNear2 * kFar2);
  to[0] = fma(product2, d[0], fma(sum2, d[2], d[4]));
  to[5] = fma(product2, d[1], fma(sum2, d[3], d[5]));
  const Floats even_near = fma(floats(-kFar2), d[2], d[4]), odd_near = fma(floats(-kFar2), d[1], d[3]);
  to[1] = fma(floats(kWinogradNear), odd_near, even_near);
  to[2] = fma(floats(-kWinogradNear), odd_near, even_near);
  const Floats even_far = fma(floats(-kNear2), d[2], d[4]), odd_far = fma(floats(-kNear2), d[1], d[3]);
  to[3] = fma(floats(kWinogradFar), odd_far, even_far);
  to[4] = fma(floats(-kWinogradFar), odd_far, even_far);
}

// Powers 0 to 3 of the points, times the sums at them.
inline void finish_line(const Floats (&m)[kWinogradIn], Floats (&to)[kWinogradOut]) {
  const Floats even_near = m[1] + m[2], odd_near = m[1] - m[2], even_far = m[3] + m[4], odd_far = m[3] - m[4];
  to[0] = m[0] + even_near + even_far;
  to[1] = fma(floats(kWinogradNear), odd_near, floats(kWinogradFar) * odd_far);
  to[2] = fma(floats(kNear2), even_near, floats(kFar2) * even_far);
  to[3] = fma(floats(kNear2 * kWinogradNear), odd_near, fma(floats(kFar2 * kWinogradFar), odd_far, m[5]));
}

// Channels as lanes: all of a vector, or the first n.
struct AllLanes {
  Floats read(const float* p) const { return load(p); }
  void write(float* p, Floats x) const { store(p, x); }
};
struct FirstLanes {
  int64_t n;
  Floats read(const float* p) const { return load(p, n); }
  void write(float* p, Floats x) const { store(p, x, n); }
};

template <typename Lanes>
void transform_channels(const WinogradWindow& w, int64_t channel, Lanes lanes) {
  Floats half[kWinogradIn][kWinogradIn];
  for (int x = 0; x < kWinogradIn; ++x) {
    Floats column[kWinogradIn], made[kWinogradIn];
    SUBGRAFT_UNROLL
    for (int y = 0; y < kWinogradIn; ++y) column[y] = lanes.read(w.pixels[y * kWinogradIn + x] + channel);
    transform_line(column, made);
    SUBGRAFT_UNROLL
    for (int y = 0; y < kWinogradIn; ++y) half[y][x] = made[y];
  }
  for (int y = 0; y < kWinogradIn; ++y) {
    Floats made[kWinogradIn];
    transform_line(half[y], made);
    SUBGRAFT_UNROLL
    for (int x = 0; x < kWinogradIn; ++x) lanes.write(w.to + (y * kWinogradIn + x) * w.step + channel, made[x]);
  }
}

void transform(const WinogradWindow& w) {
  int64_t channel = 0;
  for (; channel + kLanes <= w.channels; channel += kLanes) transform_channels(w, channel, AllLanes());
  if (channel < w.channels) transform_channels(w, channel, FirstLanes{w.channels - channel});
}

template <typename Lanes>
void finish_channels(const WinogradBlock& b, int64_t channel, Lanes lanes) {
  Floats half[kWinogradOut][kWinogradIn];
  for (int x = 0; x < kWinogradIn; ++x) {
    Floats column[kWinogradIn], made[kWinogradOut];
    SUBGRAFT_UNROLL
    for (int y = 0; y < kWinogradIn; ++y) column[y] = lanes.read(b.sums + (y * kWinogradIn + x) * b.step + channel);
    finish_line(column, made);
    SUBGRAFT_UNROLL
    for (int y = 0; y < kWinogradOut; ++y) half[y][x] = made[y];
  }
  const Floats bias = b.bias ? lanes.read(b.bias + channel) : floats(0), low = floats(b.min), high = floats(b.max);
  for (int y = 0; y < b.rows; ++y) {
    Floats made[kWinogradOut];
    finish_line(half[y], made);
    SUBGRAFT_UNROLL
    for (int x = 0; x < kWinogradOut; ++x) {
      if (x < b.columns)
        lanes.write(b.out + y * b.row_step + x * b.pixel_step + channel, min(high, max(low, made[x] + bias)));
    }
  }
}

void finish(const WinogradBlock& b) {
  int64_t channel = 0;
  for (; channel + kLanes <= b.channels; channel += kLanes) finish_channels(b, channel, AllLanes());
  if (channel < b.channels) finish_channels(b, channel, FirstLanes{b.channels - channel});
}

constexpr Winograd kWinograd = {transform, finish};

}  // namespace
}  // namespace subgraft
