// Frequencies, normalization among neighbours and convolutions of volumes.
#include <algorithm>

#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

int32_t power_of_two(Random& random, int64_t most) { return int32_t{1} << random.below(most + 1); }

void draw_rfft(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const bool is_row = random.once_in(2);
  const int32_t height = is_row ? 1 : power_of_two(random, 5), width = power_of_two(random, is_row ? 11 : 6);
  const auto near = [&](int32_t size) { return random.once_in(2) ? size : random.size(2 * size); };
  Dims dims = {near(height), near(width)};
  for (int64_t i = random.below(3); i > 0; --i) dims.insert(dims.begin(), random.size(6));
  m.allow(1e-5, 3);
  const int x = m.fed(float32, dims), waves = m.made(complex64);
  m.add(op, {x, m.integers({height, width})}, {waves});
  for (const char* part : {"REAL", "IMAG", "COMPLEX_ABS"}) m.add(part, {waves}, {m.result(float32)});
}

void draw_local_response(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const int x = m.fed(float32, {random.size(3), random.size(8), random.size(8), random.size(60)});
  m.add(op, {x}, {m.result(float32)},
        {{"radius", static_cast<double>(random.below(6))},
         {"bias", 1},
         {"alpha", random.uniform(0.1, 2)},
         {"beta", random.pick({0.5, 1.0, 0.75})}});
}

void draw_conv_3d(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const double padding = random.pick({kPaddingSame, kPaddingValid});
  const int32_t depth = random.size(12), out = random.size(12);
  Dims in = {random.size(2)}, filter;
  for (int i = 0; i < 3; ++i) {
    filter.push_back(static_cast<int32_t>(random.between(1, 3)));
    in.push_back(std::max(filter.back(), random.size(6)));
  }
  in.push_back(depth);
  allow_for_sums(m, {float32, float32}, elements_of(filter) * depth);
  const auto stride = [&] { return static_cast<double>(random.between(1, 2)); };
  const int x = m.fed(float32, in), w = m.constant(float32, {filter[0], filter[1], filter[2], depth, out});
  const int bias = random.once_in(3) ? -1 : m.constant(float32, {out});
  m.add(op, {x, w, bias}, {m.result(float32)},
        {{"padding", padding},
         {"stride_d", stride()},
         {"stride_h", stride()},
         {"stride_w", stride()},
         {"fused_activation_function", draw_activation(random)}});
}

constexpr Draw kDraws[] = {
    {"RFFT2D", draw_rfft},
    {"LOCAL_RESPONSE_NORMALIZATION", draw_local_response},
    {"CONV_3D", draw_conv_3d},
};

}  // namespace

std::span<const Draw> spectrum_draws() { return kDraws; }

}  // namespace subgraft::compare
