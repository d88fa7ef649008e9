// rfft.h for any instruction set: kRows, Reals (kRows doubles that have operators), Four, load_four() and store_four()
// are included before.
#pragma once

#include "micro/rfft.h"

namespace subgraft {
namespace {

struct Complex {
  Reals real, imag;
};

inline Complex operator+(Complex a, Complex b) { return {a.real + b.real, a.imag + b.imag}; }
inline Complex operator-(Complex a, Complex b) { return {a.real - b.real, a.imag - b.imag}; }
// By a root, whose two parts all rows share.
inline Complex times(Complex a, const double* root) {
  const Reals real = all(root[0]), imag = all(root[1]);
  return {a.real * real - a.imag * imag, a.real * imag + a.imag * real};
}

// Numbers of all rows, one behind the other: the real parts, then the imaginary ones.
class Numbers {
 public:
  explicit Numbers(double* work) : work_(work) {}
  Complex operator[](int64_t i) const { return {load_reals(at(i)), load_reals(at(i) + kRows)}; }
  void set(int64_t i, Complex x) const {
    store_reals(at(i), x.real);
    store_reals(at(i) + kRows, x.imag);
  }

 private:
  double* at(int64_t i) const { return work_ + 2 * kRows * i; }
  double* work_;
};

// Pairs of neighbours in the order that the stages begin with.
void load_rows(const RealRows& t, const Numbers& x) {
  const float* rows[kRows];
  float rest[kRows][4];
  for (int64_t i = 0; i < t.length; i += 4) {
    for (int64_t r = 0; r < kRows; ++r) {
      rows[r] = t.in + (r < t.rows ? r : 0) * t.in_stride + (i < t.given ? i : 0);
      if (i + 4 <= t.given) continue;
      for (int64_t k = 0; k < 4; ++k) rest[r][k] = i + k < t.given ? rows[r][k] : 0;
      rows[r] = rest[r];
    }
    const Four four = load_four(rows);
    x.set(t.reversed[i / 2], {four.reals[0], four.reals[1]});
    x.set(t.reversed[i / 2 + 1], {four.reals[2], four.reals[3]});
  }
}

void one_stage(const Numbers& x, int64_t length, const double* roots) {
  for (int64_t i = 0; i < length; i += 2) {
    const Complex even = x[i], odd = times(x[i + 1], roots);
    x.set(i, even + odd);
    x.set(i + 1, even - odd);
  }
}

// The stages of `half` and of twice that, with the same operations as one after the other.
void two_stages(const Numbers& x, int64_t length, int64_t half, const double* roots) {
  const int64_t stride = length / (2 * half);
  for (int64_t first = 0; first < length; first += 4 * half) {
    for (int64_t k = 0; k < half; ++k) {
      const double* root = roots + 2 * k * stride;
      const int64_t at[] = {first + k, first + k + half, first + k + 2 * half, first + k + 3 * half};
      const Complex a = x[at[0]], b = times(x[at[1]], root), c = x[at[2]], d = times(x[at[3]], root);
      const Complex sums[] = {a + b, c + d}, differences[] = {a - b, c - d};
      const Complex turned = times(sums[1], roots + k * stride);
      const Complex other = times(differences[1], roots + (k + half) * stride);
      x.set(at[0], sums[0] + turned);
      x.set(at[2], sums[0] - turned);
      x.set(at[1], differences[0] + other);
      x.set(at[3], differences[0] - other);
    }
  }
}

// From the transform of even + i odd elements to that of all.
void split_halves(const RealRows& t, const Numbers& x) {
  const int64_t half = t.length / 2;
  const Reals one_half = all(0.5), none = all(0.0);
  const Complex first = x[0];
  x.set(0, {first.real + first.imag, none});
  x.set(half, {first.real - first.imag, none});
  for (int64_t k = 1; k <= half / 2; ++k) {
    const Complex a = x[k], mirrored = x[half - k], b = {mirrored.real, -mirrored.imag};
    const Complex sum = a + b, difference = a - b;
    const Complex even = {one_half * sum.real, one_half * sum.imag};
    const Complex turned = times({one_half * difference.imag, -(one_half * difference.real)}, t.roots + 2 * k);
    const Complex last = even - turned;
    x.set(k, even + turned);
    x.set(half - k, {last.real, -last.imag});
  }
}

void store_rows(const RealRows& t, const Numbers& x) {
  const int64_t half = t.length / 2, stride = 2 * (half + 1);
  float* rows[kRows];
  float spare[4];
  for (int64_t k = 0; k < half; k += 2) {
    for (int64_t r = 0; r < kRows; ++r) rows[r] = r < t.rows ? t.out + r * stride + 2 * k : spare;
    const Complex a = x[k], b = x[k + 1];
    store_four({{a.real, a.imag, b.real, b.imag}}, rows);
  }
  alignas(64) double last[2][kRows];
  store_reals(last[0], x[half].real);
  store_reals(last[1], x[half].imag);
  for (int64_t r = 0; r < t.rows; ++r)
    for (int64_t i = 0; i < 2; ++i) t.out[r * stride + 2 * half + i] = static_cast<float>(last[i][r]);
}

void transform_rows(const RealRows& t) {
  const Numbers x(t.work);
  const int64_t length = t.length / 2;
  load_rows(t, x);
  int64_t half = 1, stages = 0;
  while (int64_t{1} << stages < length) ++stages;
  if (stages % 2 != 0) {
    one_stage(x, length, t.half_roots);
    half = 2;
  }
  for (; half < length; half *= 4) two_stages(x, length, half, t.half_roots);
  split_halves(t, x);
  store_rows(t, x);
}

constexpr RealTransform kRealTransform{kRows, transform_rows};

}  // namespace
}  // namespace subgraft
