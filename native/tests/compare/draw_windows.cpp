// Pools and resizing.
#include <algorithm>

#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

void draw_pool(DrawnModel& m, std::string_view op, DType type) {
  Random& random = m.random();
  const double padding = random.pick({kPaddingSame, kPaddingValid});
  int32_t fy = random.pick({1, 2, 2, 3, 3, 5, 7}), fx = random.once_in(3) ? random.pick({1, 2, 3, 5, 9}) : fy;
  const int64_t largest = random.once_in(8) ? 40 : 14;
  int32_t h = random.size(largest), w = random.size(largest);
  if (random.once_in(4)) fy = h, fx = w;  // the whole image
  if (padding == kPaddingValid) h = std::max(h, fy), w = std::max(w, fx);
  const int32_t batches = random.once_in(40) ? 0 : random.once_in(3) ? 2 : 1;
  const Scales scales = draw_scales(random, type);
  const int x = fed_or_padded(m, type, {batches, h, w, random.size(random.once_in(8) ? 300 : 40)}, scales);
  m.add(op, {x}, {m.result(type, scales)},
        {{"padding", padding},
         {"stride_h", static_cast<double>(random.between(1, 3))},
         {"stride_w", static_cast<double>(random.between(1, 3))},
         {"filter_height", fy},
         {"filter_width", fx},
         {"fused_activation_function", draw_activation(random)}});
}

void draw_max_pool(DrawnModel& m, std::string_view op) {
  const DType type = m.random().pick({float32, int8, uint8, int16});
  m.allow_special_floats(m.random().once_in(4));
  draw_pool(m, op, type);
}
void draw_average_pool(DrawnModel& m, std::string_view op) {
  m.allow(1e-5, 1);
  draw_pool(m, op, m.random().pick({float32, int8, uint8, int16}));
}
void draw_l2_pool(DrawnModel& m, std::string_view op) { draw_pool(m, op, float32); }

void draw_resize(DrawnModel& m, std::string_view op, DType type) {
  Random& random = m.random();
  const int64_t largest = random.once_in(8) ? 60 : 16;
  const int32_t h = random.size(largest), w = random.size(largest);
  int32_t to_h = random.size(largest), to_w = random.size(largest);
  if (random.once_in(2)) to_h = 2 * h, to_w = 2 * w;
  const bool align_corners = random.once_in(3), half_pixel_centers = !align_corners && random.once_in(2);
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, {random.once_in(3) ? 2 : 1, h, w, random.size(70)}, scales);
  m.add(op, {x, m.integers({to_h, to_w})}, {m.result(type, scales)},
        {{"align_corners", align_corners}, {"half_pixel_centers", half_pixel_centers}});
}

void draw_resize_bilinear(DrawnModel& m, std::string_view op) {
  m.allow(1e-5, 3);
  draw_resize(m, op, m.random().pick({float32, int8, uint8, int16}));
}
void draw_resize_nearest(DrawnModel& m, std::string_view op) {
  draw_resize(m, op, m.random().pick({float32, int8, uint8, int16}));
}

constexpr Draw kDraws[] = {
    {"MAX_POOL_2D", draw_max_pool},
    {"AVERAGE_POOL_2D", draw_average_pool},
    {"L2_POOL_2D", draw_l2_pool},
    {"RESIZE_BILINEAR", draw_resize_bilinear},
    {"RESIZE_NEAREST_NEIGHBOR", draw_resize_nearest},
};

}  // namespace

std::span<const Draw> window_draws() { return kDraws; }

}  // namespace subgraft::compare
