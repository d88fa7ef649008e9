// FULLY_CONNECTED and BATCH_MATMUL; and how quantized sums of products are drawn.
#include <cmath>

#include "draws.h"

namespace subgraft::compare {

bool is_quantized(DType type) { return type == DType::int8 || type == DType::uint8 || type == DType::int16; }

int64_t draw_zero(Random& random, DType type) {
  if (type == DType::int8) return random.pick<int64_t>({0, -128, 127, random.between(-128, 127)});
  if (type == DType::uint8) return random.pick<int64_t>({128, 0, 255, random.between(0, 255)});
  return 0;
}

double draw_scale(Random& random) { return std::exp2(random.uniform(-9, 0)); }

Scales draw_scales(Random& random, DType type) {
  if (!is_quantized(type)) return {};
  return Scales::of(draw_scale(random) / (type == DType::int16 ? 256 : 1), draw_zero(random, type));
}

double draw_activation(Random& random) { return random.once_in(2) ? 0 : static_cast<double>(random.below(4)); }

ProductScales draw_product_scales(Random& random, DType x, DType w, int64_t taps, int32_t channels, int32_t axis) {
  constexpr double kUsual8 = 74, kUsual16 = 18900, kUsual4 = 4.6;  // standard deviations of whole ranges
  const auto usual = [](DType type) {
    if (type == DType::int16) return kUsual16;
    return type == DType::int4 || type == DType::int2 ? kUsual4 : kUsual8;
  };
  ProductScales scales;
  const bool is_weight_float = w == DType::float32;
  if (is_weight_float) return scales;
  const double weight_scale = std::exp2(random.uniform(-12, -4));
  const int64_t weight_zero = w == DType::uint8 && x == w ? draw_zero(random, w) : 0;
  scales.w = Scales::of(weight_scale, weight_zero);
  if (axis >= 0 && random.once_in(3) == 0) {
    scales.w.axis = axis;
    scales.w.scale.clear();
    for (int32_t c = 0; c < channels; ++c)
      scales.w.scale.push_back(static_cast<float>(weight_scale * std::exp2(random.uniform(-3, 1))));
    scales.w.zero.assign(scales.w.scale.size(), 0);
  }
  if (x == DType::float32) return scales;
  const double sum = usual(x) * usual(w) * std::sqrt(static_cast<double>(taps));
  double multiplier = usual(x) / sum * std::exp2(random.uniform(-2, 2));
  const int64_t kind = random.below(10);
  if (kind == 0) multiplier = std::exp2(random.uniform(-34, -10));
  if (kind == 1) multiplier = std::exp2(random.uniform(0, x == DType::int16 ? 10 : 20));
  const double in_scale = draw_scale(random);
  scales.x = Scales::of(in_scale, draw_zero(random, x));
  scales.y = Scales::of(in_scale * weight_scale / multiplier, draw_zero(random, x));
  return scales;
}

int draw_bias(DrawnModel& m, ProductTypes types, int32_t channels) {
  Random& random = m.random();
  if (random.once_in(4)) return -1;
  if (types.x == DType::float32) return m.constant(DType::float32, {channels});
  m.limit_integers(random.pick<int64_t>({100, 5000, 1000000, INT32_MAX}));
  const bool is_wide = types.x == DType::int16 && random.once_in(3) == 0;
  if (is_wide) m.limit_integers(random.pick<int64_t>({1000, 1000000, int64_t{1} << 40}));
  return m.constant(is_wide ? DType::int64 : DType::int32, {channels});
}

int draw_weights(DrawnModel& m, ProductTypes types, const Dims& dims, const Scales& scales) {
  if (types.w == DType::float32 && m.random().once_in(4)) return m.half_constant(dims);
  const bool must_be_constant = types.w == DType::int4 || types.w == DType::int2;
  if (!must_be_constant && m.random().once_in(10)) return m.fed(types.w, dims, scales);
  return m.constant(types.w, dims, scales);
}

void allow_for_sums(DrawnModel& m, ProductTypes types, int64_t taps, double tolerance) {
  constexpr double kUsualFloat = 3;
  constexpr double kRounding = 3e-8;  // of the reference itself, which adds one product after the other, for each
  if (types.w == DType::float32)
    m.allow(tolerance + kRounding * static_cast<double>(taps),
            kUsualFloat * kUsualFloat * std::sqrt(static_cast<double>(taps)));
  else
    m.allow(tolerance);
}

namespace {

using enum DType;

void draw_fully_connected(DrawnModel& m, std::string_view) {
  Random& random = m.random();
  const auto types = random.pick<ProductTypes>({{float32, float32},
                                                {float32, float32},
                                                {float32, int8},
                                                {float32, int8},
                                                {float32, int4},
                                                {float32, int2},
                                                {float32, uint8},
                                                {int8, int8},
                                                {int8, int8},
                                                {int8, int8},
                                                {int8, int4},
                                                {int8, int2},
                                                {uint8, uint8},
                                                {uint8, uint8},
                                                {int16, int8},
                                                {int16, int8},
                                                {int16, int4},
                                                {int16, int16}});
  const bool is_large = random.once_in(16);
  const int32_t rows = random.once_in(30) ? 0 : random.once_in(2) ? 1 : random.size(is_large ? 70 : 20);
  const int32_t depth = random.size(is_large ? 1200 : 300), units = random.size(is_large ? 600 : 130);
  const bool may_have_channels = types.w != uint8 && types.w != int16;
  ProductScales scales = draw_product_scales(random, types.x, types.w, depth, units, may_have_channels ? 0 : -1);
  const bool plain_zero = types.w == int8 && types.x != float32 && scales.w.scale.size() == 1 && random.once_in(8);
  if (plain_zero) scales.w.zero = {draw_zero(random, int8)};
  allow_for_sums(m, types, depth);
  const bool keep = random.once_in(3);
  const int x = m.fed(types.x, keep ? Dims{1, rows, depth} : Dims{rows, depth}, scales.x);
  const int w = draw_weights(m, types, {units, depth}, scales.w);
  const int y = m.result(types.x, scales.y);
  m.add("FULLY_CONNECTED", {x, w, draw_bias(m, types, units)}, {y},
        {{"fused_activation_function", draw_activation(random)},
         {"keep_num_dims", keep},
         {"asymmetric_quantize_inputs", random.once_in(2)}});
}

void draw_fully_connected_blockwise(DrawnModel& m, std::string_view) {
  Random& random = m.random();
  const int32_t block = random.pick({4, 8, 16, 32, 64, 128}), blocks = static_cast<int32_t>(random.between(1, 5));
  const int32_t rows = random.size(12), units = random.size(100), depth = block * blocks;
  const DType type = random.pick({int4, int8, int2});
  m.allow(1e-5);
  const int x = m.fed(float32, {rows, depth}), w = m.constant(type, {units, depth});
  m.set_blocks(w, block, {units, blocks});
  const int y = m.result(float32);
  m.add("FULLY_CONNECTED", {x, w, draw_bias(m, {float32, type}, units)}, {y},
        {{"fused_activation_function", draw_activation(random)}, {"asymmetric_quantize_inputs", 1}});
}

void draw_batch_matmul(DrawnModel& m, std::string_view) {
  Random& random = m.random();
  struct Types {
    DType x, w, y;
  };
  const auto types = random.pick<Types>({{float32, float32, float32},
                                         {float32, float32, float32},
                                         {float32, int8, float32},
                                         {int8, int8, int8},
                                         {int8, int8, int8},
                                         {int8, int8, int32},
                                         {int16, int16, int16},
                                         {int16, int8, int16}});
  const int64_t largest = random.once_in(16) ? 150 : 40;
  const int32_t rows = random.size(largest), depth = random.size(largest), units = random.size(largest);
  const bool left_transposed = random.once_in(3), right_transposed = random.once_in(2);
  Dims left = left_transposed ? Dims{depth, rows} : Dims{rows, depth};
  Dims right = right_transposed ? Dims{units, depth} : Dims{depth, units};
  for (int64_t i = random.below(4); i > 0; --i) {
    const int32_t dim = random.once_in(20) ? 0 : static_cast<int32_t>(random.between(1, 4));
    left.insert(left.begin(), random.once_in(4) ? 1 : dim);
    right.insert(right.begin(), random.once_in(4) ? 1 : dim);
  }
  while (left.size() > 2 && left[0] == 1 && random.once_in(4)) left.erase(left.begin());
  while (right.size() > 2 && right[0] == 1 && random.once_in(4)) right.erase(right.begin());
  ProductScales scales = draw_product_scales(random, types.x, types.w, depth, units, -1);
  if (types.x == int8) scales.w.zero = {draw_zero(random, int8)};
  if (types.y == int32) scales.y = {};
  allow_for_sums(m, {types.x, types.w}, depth);
  const int x = m.fed(types.x, left, scales.x);
  const bool is_constant = random.once_in(4);
  const int w = is_constant ? m.constant(types.w, right, scales.w) : m.fed(types.w, right, scales.w);
  m.add("BATCH_MATMUL", {x, w}, {m.result(types.y, scales.y)},
        {{"adj_x", left_transposed}, {"adj_y", right_transposed}, {"asymmetric_quantize_inputs", random.once_in(2)}});
}

constexpr Draw kDraws[] = {
    {"FULLY_CONNECTED", draw_fully_connected},
    {"FULLY_CONNECTED/blockwise", draw_fully_connected_blockwise},
    {"BATCH_MATMUL", draw_batch_matmul},
};

}  // namespace

std::span<const Draw> product_draws() { return kDraws; }

}  // namespace subgraft::compare
