// What StableHLO's ops make of two elements: integers wrap around, truths are any byte but 0.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/half.h"
#include "kernels/arithmetic_math.h"

namespace subgraft::stablehlo {

struct Add {
  template <typename T>
  T operator()(T a, T b) const {
    return wrapping_add(a, b);
  }
};

struct Multiply {
  template <typename T>
  T operator()(T a, T b) const {
    return wrapping_multiply(a, b);
  }
};

// A NaN in the second place is not taken, one in the first is.
struct Maximum {
  template <typename T>
  T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

struct Minimum {
  template <typename T>
  T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};

// Computed as floats and rounded.
template <typename F>
struct OfHalves {
  Half operator()(Half a, Half b) const { return to_half(F()(to_float(a), to_float(b))); }
};

struct Or {
  uint8_t operator()(uint8_t a, uint8_t b) const { return a != 0 || b != 0 ? 1 : 0; }
};

struct And {
  uint8_t operator()(uint8_t a, uint8_t b) const { return a != 0 && b != 0 ? 1 : 0; }
};

// Of truths the sum and the larger are "or", the product and the smaller "and".
template <typename F>
using OfTruths = std::conditional_t<std::is_same_v<F, Add> || std::is_same_v<F, Maximum>, Or, And>;

}  // namespace subgraft::stablehlo
