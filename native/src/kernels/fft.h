// The discrete Fourier transform of vectors whose length is a power of two, in double precision.
#pragma once

#include <bit>
#include <complex>
#include <cstdint>
#include <numbers>
#include <utility>
#include <vector>

namespace subgraft {

// std::complex multiplies with checks for infinities, which cost more than the product.
inline std::complex<double> times(std::complex<double> a, std::complex<double> b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// e^(-2 pi i k / length) for k < count.
inline std::vector<std::complex<double>> unit_roots(int64_t length, int64_t count) {
  std::vector<std::complex<double>> roots(static_cast<size_t>(count));
  for (int64_t k = 0; k < count; ++k)
    roots[static_cast<size_t>(k)] =
        std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(length));
  return roots;
}

// X[k] = sum of x[n] e^(-2 pi i k n / length), in place.
class Fft {
 public:
  explicit Fft(int64_t length) : length_(length), roots_(unit_roots(length, length / 2)) {}

  const std::vector<std::complex<double>>& roots() const { return roots_; }

  void operator()(std::complex<double>* x) const {
    swap_reversed(x);
    for (int64_t half = 1; half < length_; half *= 2) {
      const int64_t stride = length_ / (2 * half);
      for (int64_t first = 0; first < length_; first += 2 * half) {
        for (int64_t k = 0; k < half; ++k) {
          const std::complex<double> even = x[first + k];
          const std::complex<double> odd = times(x[first + k + half], roots_[static_cast<size_t>(k * stride)]);
          x[first + k] = even + odd;
          x[first + k + half] = even - odd;
        }
      }
    }
  }

 private:
  // Each element to the place whose number has the same bits in reverse order.
  void swap_reversed(std::complex<double>* x) const {
    int64_t reversed = 0;
    for (int64_t i = 1; i < length_; ++i) {
      int64_t bit = length_ / 2;
      for (; reversed & bit; bit /= 2) reversed ^= bit;
      reversed |= bit;
      if (i < reversed) std::swap(x[i], x[reversed]);
    }
  }

  int64_t length_;
  std::vector<std::complex<double>> roots_;
};

// The first length / 2 + 1 frequencies of a real vector; the others are their conjugates.
class RealFft {
 public:
  explicit RealFft(int64_t length)
      : length_(length), half_(length > 1 ? length / 2 : 1), roots_(unit_roots(length, length / 4 + 1)) {}

  int64_t frequencies() const { return length_ / 2 + 1; }
  const Fft& half() const { return half_; }
  const std::vector<std::complex<double>>& roots() const { return roots_; }

  // In: the real vector, two elements in each complex number. Out: frequencies() numbers.
  void operator()(std::complex<double>* x) const {
    if (length_ == 1) {
      x[0] = x[0].real();
      return;
    }
    // The half-length transform of even + i odd elements has the transforms of both in it.
    half_(x);
    const int64_t half = length_ / 2;
    const std::complex<double> first = x[0];
    x[0] = first.real() + first.imag();
    x[half] = first.real() - first.imag();
    for (int64_t k = 1; k <= half / 2; ++k) {
      const std::complex<double> a = x[k], b = std::conj(x[half - k]);
      const std::complex<double> even = 0.5 * (a + b), odd = times(0.5 * (a - b), {0, -1});
      const std::complex<double> turned = times(odd, roots_[static_cast<size_t>(k)]);
      x[k] = even + turned;
      x[half - k] = std::conj(even - turned);
    }
  }

 private:
  int64_t length_;
  Fft half_;
  std::vector<std::complex<double>> roots_;
};

// Longer transforms are refused: their tables alone would fill the memory.
inline constexpr int64_t kMaxFftLength = int64_t{1} << 22;

inline bool is_fft_length(int64_t length) {
  return length >= 1 && length <= kMaxFftLength && std::has_single_bit(static_cast<uint64_t>(length));
}

}  // namespace subgraft
