// Decoding of SSD boxes and greedy non-maximum suppression.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>

namespace subgraft {

struct CenterBox {
  float y, x, h, w;
};
struct CornerBox {
  float ymin, xmin, ymax, xmax;

  float area() const { return (ymax - ymin) * (xmax - xmin); }
};

// A box encoded relative to its anchor.
inline CornerBox decode_box(const CenterBox& box, const CenterBox& anchor, const CenterBox& scale) {
  const auto center = [](double offset, double scale, double size, double position) {
    return static_cast<float>(offset / scale * size + position);
  };
  const auto half = [](double log_size, double scale, double size) {
    return static_cast<float>(0.5 * std::exp(log_size / scale) * size);
  };
  const float y = center(box.y, scale.y, anchor.h, anchor.y), x = center(box.x, scale.x, anchor.w, anchor.x);
  const float half_h = half(box.h, scale.h, anchor.h), half_w = half(box.w, scale.w, anchor.w);
  return {y - half_h, x - half_w, y + half_h, x + half_w};
}

inline float intersection_over_union(const CornerBox& a, const CornerBox& b) {
  const float area_a = a.area(), area_b = b.area();
  if (area_a <= 0 || area_b <= 0) return 0;
  const float height = std::min(a.ymax, b.ymax) - std::max(a.ymin, b.ymin);
  const float width = std::min(a.xmax, b.xmax) - std::max(a.xmin, b.xmin);
  const float intersection = std::max(height, 0.f) * std::max(width, 0.f);
  return intersection / (area_a + area_b - intersection);
}

struct Suppression {
  float score_threshold = 0, iou_threshold = 0;
  int64_t max_selected = 0;
};

// The boxes to keep, best score first, equal scores by index: each must not overlap a better one too much.
// score(i) is the score of box i. `order` and `suppressed` are scratch for all boxes; the result lies in `order`.
template <typename Score>
std::span<const int32_t> suppress(std::span<const CornerBox> boxes, const Suppression& limits, Score&& score,
                                  int32_t* order, bool* suppressed) {
  int64_t count = 0;
  for (size_t i = 0; i < boxes.size(); ++i)
    if (score(static_cast<int32_t>(i)) >= limits.score_threshold) order[count++] = static_cast<int32_t>(i);
  std::sort(order, order + count,
            [&](int32_t a, int32_t b) { return score(a) > score(b) || (score(a) == score(b) && a < b); });
  std::fill(suppressed, suppressed + count, false);
  int64_t selected = 0;
  for (int64_t i = 0; i < count && selected < limits.max_selected; ++i) {
    if (suppressed[i]) continue;
    const CornerBox& box = boxes[order[i]];
    for (int64_t j = i + 1; j < count; ++j)
      if (!suppressed[j] && intersection_over_union(box, boxes[order[j]]) > limits.iou_threshold) suppressed[j] = true;
    order[selected++] = order[i];  // the places up to i are not read again
  }
  return {order, static_cast<size_t>(selected)};
}

}  // namespace subgraft
