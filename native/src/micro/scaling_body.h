// Integers on other scales, bit for bit as in core/fixed_point.h; included after one of vector_*.h.
#pragma once

#include "micro/elementwise.h"

namespace subgraft {
namespace {

// int32 wraps around: lanes without a sign do so by definition.
typedef uint32_t Words __attribute__((vector_size(sizeof(Ints))));

// x / 2^shift, ties away from zero, where x is far enough from the largest number.
inline Ints rounding_shift_right(Ints x, int32_t shift) {
  if (shift == 0) return x;
  return (x + (x >> 31) + ints(1 << (shift - 1))) >> shift;
}

// One input of 16 bits at most, with `bits` more bits, on the common scale.
template <int bits>
class InputScale {
 public:
  InputScale(Scaling scaling, int32_t zero_point)
      : zero_(ints(zero_point)),
        high_(ints(upper(scaling.multiplier))),
        low_(ints(scaling.multiplier - upper(scaling.multiplier) * 65536)),
        multiplier_(ints(scaling.multiplier)),
        right_(scaling.right),
        is_half_(scaling.multiplier == 1 << 30 && scaling.right == 0),
        is_large_(scaling.multiplier > kLargestFactor) {}

  // (x * 2^bits * multiplier + 2^30) >> 31 from products of 16 bits, where they do, then the right shift.
  Ints operator()(Ints x) const {
    const Ints difference = x - zero_;
    if (is_half_) return bits > 0 ? difference << (bits > 0 ? bits - 1 : 0) : halved(difference);
    if (is_large_) return rounding_shift_right(doubling_high_multiply(difference << bits, multiplier_), right_);
    const Ints high = multiply_16_bits(difference, high_), low = multiply_16_bits(difference, low_);
    constexpr int drop = 31 - bits;
    Ints product;
    if constexpr (drop <= 16)
      product = (high << (16 - drop)) + ((low + (1 << (drop - 1))) >> drop);
    else
      product = (high + (1 << (drop - 17)) + (low >> 16)) >> (drop - 16);
    return rounding_shift_right(product, right_);
  }

 private:
  static constexpr int32_t kLargestFactor = 0x7fff7fff;  // its upper half, rounded, fits 16 bits
  static int32_t upper(int32_t multiplier) { return multiplier > kLargestFactor ? 0 : (multiplier + 0x8000) >> 16; }
  static Ints halved(Ints x) { return (x + 1) >> 1; }

  Ints zero_, high_, low_, multiplier_;
  int32_t right_;
  bool is_half_, is_large_;
};

class OutputScale {
 public:
  OutputScale(Scaling scaling, int32_t zero_point, IntRange range)
      : multiplier_(ints(scaling.multiplier)),
        rounding_(
            ints(rounding(scaling) + (adds_at_once(scaling, zero_point) ? zero_point * (1 << scaling.right) : 0))),
        zero_(ints(zero_point)),
        low_(ints(range.low)),
        high_(ints(range.high)),
        left_(scaling.left),
        right_(scaling.right),
        adds_at_once_(adds_at_once(scaling, zero_point)) {}

  Ints operator()(Ints x) const {
    if (left_ > 0) x <<= left_;
    x = doubling_high_multiply(x, multiplier_);
    if (right_ > 0) x = (x + (x >> 31) + rounding_) >> right_;  // ties away from zero
    if (!adds_at_once_) x += zero_;
    return min(max(x, low_), high_);
  }

 private:
  // The product is at most 2^30; with the zero point and the half that rounds it has to fit.
  static bool adds_at_once(Scaling scaling, int32_t zero_point) {
    const int32_t most = (1 << 29) >> scaling.right;
    return scaling.right > 0 && zero_point >= -most && zero_point <= most && scaling.right < 30;
  }
  static int32_t rounding(Scaling scaling) { return scaling.right > 0 ? 1 << (scaling.right - 1) : 0; }

  Ints multiplier_, rounding_, zero_, low_, high_;
  int32_t left_, right_;
  bool adds_at_once_;
};

}  // namespace
}  // namespace subgraft
