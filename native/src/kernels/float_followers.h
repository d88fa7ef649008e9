// Elementwise ops of float32 that the op before them computes with its results: the sum with another tensor, and an
// activation.
#pragma once

#include "core/fixed_point.h"
#include "micro/float_epilogue.h"
#include "runtime/kernel.h"

namespace subgraft {

// What a kernel of float32 whose micro-kernels know FloatEpilogue does with its results.
struct FloatFollowers {
  Range<float> range;  // of the results
  FloatEpilogue then;  // without its tensors, which are these inputs of the closure
  int addend = -1, slopes = -1;

  // For results from this element of the output on, whose first column is this channel.
  FloatEpilogue at(const Invocation& v, int64_t element, int64_t channel) const {
    FloatEpilogue e = then;
    if (addend >= 0) e.addend = v.in<float>(addend) + element;
    if (slopes >= 0) e.slopes = v.in<float>(slopes) + channel;
    return e;
  }
};

// Takes over what follows an op with an output of this shape, bounded by its own activation: ADD of a tensor of the
// same shape, and RELU and its like, PRELU with a slope for each channel, or HARD_SWISH.
FloatFollowers take_over_followers(Preparation& p, Range<float> range, const Shape& shape);

// For kernels that know no FloatEpilogue: takes over RELU and its like only. Gives the bounds with them.
Range<float> take_over_bounds(Preparation& p, Range<float> range);

}  // namespace subgraft
