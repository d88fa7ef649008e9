// FAKE_QUANT: real numbers rounded as if they were quantized.
#include <algorithm>
#include <cmath>

#include "kernels/families.h"
#include "kernels/map.h"

namespace subgraft {
namespace {

struct Steps {
  float low, high, size;
};

// The steps of 2^bits - 1 from min to max, moved so that one of them is 0, as TensorFlow does it.
Steps nudged(float min, float max, int64_t bits) {
  const float last = static_cast<float>((int64_t{1} << bits) - 1);
  const float size = (max - min) / last;
  const float zero = std::clamp(std::round(-min / size), 0.0f, last);
  return {(0 - zero) * size, (last - zero) * size, size};
}

Compute prepare_fake_quant(Preparation& p) {
  const int64_t count = prepare_map(p);
  if (p.input(0).dtype != DType::float32) p.unsupported("FAKE_QUANT of ", dtype_name(p.input(0).dtype));
  const auto min = static_cast<float>(p.options().real("min")), max = static_cast<float>(p.options().real("max"));
  const int64_t bits = p.options().integer("num_bits");
  if (p.options().boolean("narrow_range")) p.unsupported("a narrow range");
  p.require(bits >= 1 && bits <= 16, bits, " bits");
  p.require(min <= 0 && max >= 0 && min < max && std::isfinite(max - min), "the range is ", min, " to ", max);
  const Steps steps = nudged(min, max, bits);
  p.require(steps.size > 0, "the range is ", min, " to ", max);
  return map<float, float>(count, [steps, inverse = 1 / steps.size](float x) {
    const float above = std::min(steps.high, std::max(steps.low, x)) - steps.low;
    return std::round(above * inverse) * steps.size + steps.low;
  });
}

}  // namespace

void register_fake_quant(Registry& registry) { registry.add("FAKE_QUANT", prepare_fake_quant); }

}  // namespace subgraft
