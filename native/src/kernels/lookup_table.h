// Functions of one quantized number, rounded as TFLite's reference kernels round.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/map.h"
#include "kernels/quantization.h"
#include "runtime/kernel.h"

namespace subgraft {

// f of an 8-bit number.
template <typename T, typename F>
auto quantized_function(Affine in, Affine out, F f) {
  return [in, out, f, inverse = 1 / out.scale](T x) {
    const float steps = std::round(f(in.scale * static_cast<float>(x - in.zero_point)) * inverse);
    return saturate<T>(steps + static_cast<float>(out.zero_point));
  };
}

// f of an int16 number: 512 steps with straight lines between them.
class LinesOfInt16 {
 public:
  template <typename F>
  LinesOfInt16(Affine in, Affine out, F f) {
    const float first = in.scale * static_cast<float>(-32768 - in.zero_point);
    const float last = in.scale * static_cast<float>(32767 - in.zero_point);
    const float step = (last - first) / kSteps, half = step / 2;
    const float low = out.scale * static_cast<float>(-32768 - out.zero_point);
    const float high = out.scale * static_cast<float>(32767 - out.zero_point);
    const float inverse = 65536.0f / (high - low);
    for (int i = 0; i < kSteps; ++i) {
      const float x = first + static_cast<float>(i) * step;
      const float here = std::round(f(x) * inverse);
      const float next = f(first + static_cast<float>(i + 1) * step) * inverse;
      // The line to the next entry is moved by half of what it is off in the middle. Infinities stay where they are.
      const float off = std::round((next + here) / 2) - std::round(f(x + half) * inverse);
      values_[i] = saturate<int16_t>(std::isfinite(off) ? here - std::round(off / 2) : here);
    }
    values_[kSteps] = saturate<int16_t>(f(last) * inverse);
  }

  static constexpr int kSteps = 512;
  using Values = std::array<int16_t, kSteps + 1>;

  const Values& values() const { return values_; }

  int16_t operator()(int16_t x) const {
    const int i = kSteps / 2 + (x >> 7);
    const int16_t slope = static_cast<int16_t>(values_[i + 1] - values_[i]);
    return static_cast<int16_t>(values_[i] + ((slope * (x & 127) + 64) >> 7));
  }

 private:
  Values values_;
};

// The op that computes f of real numbers, for tensors of the quantized type T.
template <typename T, typename F>
Compute map_function(const Preparation& p, int64_t count, F f) {
  const Affine in = Affine::of(p.input(0)), out = Affine::of(p.output(0));
  if constexpr (std::is_same_v<T, int16_t>) {
    const LinesOfInt16 lines(in, out, f);
    if (const Elementwise* fast = elementwise())
      return fast_map<T, T>(count, kFunctionGrain, fast->lines_of_16, lines.values());
    return map<T, T>(count, lines);
  } else {
    return map_quantized<T, T>(count, quantized_function<T>(in, out, f));
  }
}

}  // namespace subgraft
