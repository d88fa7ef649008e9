#include "kernels/float_followers.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace subgraft {
namespace {

// The bounds of an activation that is an op of its own.
std::optional<Range<float>> bounds_of(std::string_view op) {
  if (op == "RELU") return Range<float>{0, std::numeric_limits<float>::infinity()};
  if (op == "RELU6") return Range<float>{0, 6};
  if (op == "RELU_N1_TO_1") return Range<float>{-1, 1};
  if (op == "RELU_0_TO_1") return Range<float>{0, 1};
  return std::nullopt;
}

bool is_bound(int64_t activation) {
  for (const Activation bound : {Activation::none, Activation::relu, Activation::relu_n1_to_1, Activation::relu6})
    if (activation == static_cast<int64_t>(bound)) return true;
  return false;
}

// Bounded by one range, then by the other.
Range<float> both(Range<float> first, Range<float> then) {
  return {std::clamp(first.min, then.min, then.max), std::clamp(first.max, then.min, then.max)};
}

bool is_addition(const Preparation::Follower& next, const Shape& shape) {
  return next.name == "ADD" && next.other && next.other->dtype == DType::float32 && next.other->shape == shape &&
         is_bound(next.options->integer("fused_activation_function"));
}

// With one slope for each channel.
bool is_prelu(const Preparation::Follower& next, const Shape& shape) {
  if (next.name != "PRELU" || next.position != 0 || !next.other) return false;
  const Shape& slopes = next.other->shape;
  return next.other->dtype == DType::float32 && slopes.rank() <= shape.rank() && slopes.back(0) == shape.back(0) &&
         slopes.elements() == shape.back(0);
}

}  // namespace

Range<float> take_over_bounds(Preparation& p, Range<float> range) {
  for (auto next = p.follower(); next; next = p.follower()) {
    const auto bounds = bounds_of(next->name);
    if (!bounds || next->other) return range;  // with one input too many: refused on its own
    p.take_over_follower();
    range = both(range, *bounds);
  }
  return range;
}

FloatFollowers take_over_followers(Preparation& p, Range<float> range, const Shape& shape) {
  FloatFollowers f;
  f.range = range;
  const ApplyFloatEpilogue apply = float_epilogue();
  if (!apply) return f;
  for (auto next = p.follower(); next; next = p.follower()) {
    if (const auto bounds = bounds_of(next->name); bounds && !next->other) {
      Range<float> bounded = both(f.addend >= 0 ? Range<float>{f.then.min, f.then.max} : f.range, *bounds);
      p.take_over_follower();
      if (f.addend < 0) f.range = bounded;
      f.then.min = bounded.min;
      f.then.max = bounded.max;
    } else if (is_addition(*next, shape) && f.addend < 0) {
      const Range<float> bounded = activation_range(next->options->integer("fused_activation_function"));
      f.addend = p.take_over_follower();
      f.then.apply = apply;
      f.then.min = bounded.min;
      f.then.max = bounded.max;
    } else if (is_prelu(*next, shape)) {
      f.slopes = p.take_over_follower();
      f.then.apply = apply;
      return f;
    } else if (next->name == "HARD_SWISH" && !next->other) {
      p.take_over_follower();
      f.then.apply = apply;
      f.then.is_hard_swish = true;
      return f;
    } else {
      return f;
    }
  }
  return f;
}

}  // namespace subgraft
