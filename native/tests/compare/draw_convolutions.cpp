// CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV and Convolution2DTransposeBias.
#include <algorithm>
#include <cstring>

#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

constexpr int64_t kSmallWork = 300'000, kLargeWork = 6'000'000;  // products
constexpr double kWinogradTolerance = 2e-5;  // of 3x3 filters with stride 1, which may be computed from transforms

struct Axis {
  int32_t in, filter, stride, dilation, out;
};

// An axis of a convolution with at least one output.
Axis draw_axis(Random& random, double padding, int32_t filter, int64_t largest) {
  Axis axis{};
  axis.filter = filter;
  axis.stride = random.once_in(2) ? 1 : static_cast<int32_t>(random.between(1, 3));
  axis.dilation = random.once_in(5) ? static_cast<int32_t>(random.between(2, 4)) : 1;
  const int32_t reach = (filter - 1) * axis.dilation + 1;
  axis.in = random.size(largest);
  if (padding == kPaddingValid) axis.in = std::max(axis.in, reach);
  axis.out = padding == kPaddingSame ? (axis.in + axis.stride - 1) / axis.stride : (axis.in - reach) / axis.stride + 1;
  return axis;
}

int32_t draw_filter(Random& random) { return random.pick({1, 1, 1, 2, 3, 3, 3, 3, 4, 5, 7}); }

// Fewer channels until the work fits.
void fit(int64_t most, int64_t work_of_one, int32_t& in, int32_t& out) {
  while (work_of_one * in * out > most && (in > 1 || out > 1)) (in > out ? in : out) = (std::max(in, out) + 1) / 2;
}

}  // namespace

int fed_or_padded(DrawnModel& m, DType type, const Dims& dims, const Scales& scales) {
  Random& random = m.random();
  if (!random.once_in(4)) return m.fed(type, dims, scales);
  const int32_t most = random.once_in(6) ? 12 : 3;
  std::vector<int32_t> amounts(8);
  Dims inside = dims;
  for (const size_t axis : {size_t{1}, size_t{2}}) {
    for (const size_t side : {2 * axis, 2 * axis + 1}) {
      amounts[side] = static_cast<int32_t>(random.between(0, std::min(most, inside[axis])));
      inside[axis] -= amounts[side];
    }
  }
  const int padded = m.made(type, scales);
  m.add("PAD", {m.fed(type, inside, scales), m.integers({4, 2}, amounts)}, {padded});
  return padded;
}

namespace {

void draw_conv(DrawnModel& m, std::string_view) {
  Random& random = m.random();
  const auto types = random.pick<ProductTypes>({{float32, float32},
                                                {float32, float32},
                                                {float32, float32},
                                                {float32, int8},
                                                {float32, uint8},
                                                {float32, int4},
                                                {int8, int8},
                                                {int8, int8},
                                                {int8, int8},
                                                {int8, int4},
                                                {uint8, uint8},
                                                {uint8, uint8},
                                                {int16, int8},
                                                {int16, int4}});
  const double padding = random.pick({kPaddingSame, kPaddingValid});
  const int32_t fy = draw_filter(random), fx = random.once_in(4) ? draw_filter(random) : fy;
  const int64_t largest = random.once_in(8) ? 40 : 12;
  const Axis y = draw_axis(random, padding, fy, largest), x = draw_axis(random, padding, fx, largest);
  const int32_t batches = random.once_in(40) ? 0 : random.once_in(3) ? static_cast<int32_t>(random.between(2, 4)) : 1;
  int32_t depth = random.once_in(5) ? 3 : random.size(300), out = random.size(200);
  fit(random.once_in(16) ? kLargeWork : kSmallWork, int64_t{y.out} * x.out * fy * fx * std::max(batches, 1), depth,
      out);
  const int32_t groups = random.once_in(6) ? random.pick({2, 3, 4, depth}) : 1;
  const bool is_depthwise = groups == depth && random.once_in(2);
  const int32_t channels_in = is_depthwise ? groups : depth * groups;
  const int32_t weight_depth = channels_in / groups;
  out = (out + groups - 1) / groups * groups;
  const int64_t taps = int64_t{fy} * fx * weight_depth;
  const ProductScales scales = draw_product_scales(random, types.x, types.w, taps, out, types.w == uint8 ? -1 : 0);
  allow_for_sums(m, types, taps, fy == 3 && fx == 3 ? kWinogradTolerance : 1e-5);
  const int in = fed_or_padded(m, types.x, {batches, y.in, x.in, channels_in}, scales.x);
  const int w = draw_weights(m, types, {out, fy, fx, weight_depth}, scales.w);
  m.add("CONV_2D", {in, w, draw_bias(m, types, out)}, {m.result(types.x, scales.y)},
        {{"padding", padding},
         {"stride_h", y.stride},
         {"stride_w", x.stride},
         {"dilation_h_factor", y.dilation},
         {"dilation_w_factor", x.dilation},
         {"fused_activation_function", draw_activation(random)}});
}

void draw_depthwise(DrawnModel& m, std::string_view) {
  Random& random = m.random();
  const auto types = random.pick<ProductTypes>({{float32, float32},
                                                {float32, float32},
                                                {float32, int8},
                                                {int8, int8},
                                                {int8, int8},
                                                {int8, int4},
                                                {uint8, uint8},
                                                {uint8, uint8},
                                                {int16, int8}});
  const double padding = random.pick({kPaddingSame, kPaddingValid});
  const int32_t fy = draw_filter(random), fx = random.once_in(4) ? draw_filter(random) : fy;
  const int64_t largest = random.once_in(8) ? 40 : 12;
  const Axis y = draw_axis(random, padding, fy, largest), x = draw_axis(random, padding, fx, largest);
  const int32_t batches = random.once_in(40) ? 0 : random.once_in(3) ? static_cast<int32_t>(random.between(2, 4)) : 1;
  const int32_t multiplier = random.once_in(4) ? random.pick({2, 3, 4, 8, 16}) : 1;
  int32_t channels = random.size(random.once_in(4) ? 2000 : 300), one = 1;
  fit(random.once_in(16) ? kLargeWork / 4 : kSmallWork,
      int64_t{y.out} * x.out * fy * fx * std::max(batches, 1) * multiplier, channels, one);
  if (random.once_in(12)) channels = 1;
  const int32_t out = channels * multiplier;
  const ProductScales scales =
      draw_product_scales(random, types.x, types.w, int64_t{fy} * fx, out, types.w == uint8 ? -1 : 3);
  allow_for_sums(m, types, int64_t{fy} * fx);
  const int in = fed_or_padded(m, types.x, {batches, y.in, x.in, channels}, scales.x);
  const int w = draw_weights(m, types, {1, fy, fx, out}, scales.w);
  ProductTypes bias_types = types;
  int bias = draw_bias(m, bias_types, out);
  if (types.x == int16 && bias >= 0) bias = m.constant(int64, {out});
  m.add("DEPTHWISE_CONV_2D", {in, w, bias}, {m.result(types.x, scales.y)},
        {{"padding", padding},
         {"stride_h", y.stride},
         {"stride_w", x.stride},
         {"depth_multiplier", multiplier},
         {"dilation_h_factor", y.dilation},
         {"dilation_w_factor", x.dilation},
         {"fused_activation_function", draw_activation(random)}});
}

void draw_transpose_conv(DrawnModel& m, std::string_view) {
  Random& random = m.random();
  const auto types = random.pick<ProductTypes>({{float32, float32},
                                                {float32, float32},
                                                {float32, int8},
                                                {int8, int8},
                                                {int8, int8},
                                                {uint8, uint8},
                                                {int16, int8}});
  const double padding = random.pick({kPaddingSame, kPaddingValid});
  const int32_t fy = draw_filter(random), fx = random.once_in(4) ? draw_filter(random) : fy;
  Axis y = draw_axis(random, padding, fy, 20), x = draw_axis(random, padding, fx, 20);
  for (Axis* axis : {&y, &x}) {  // `in` is the op's output, which no dilation reaches
    const int32_t in = axis->in, stride = axis->stride;
    axis->out = padding == kPaddingSame ? (in + stride - 1) / stride : (in - axis->filter) / stride + 1;
  }
  const int32_t batches = random.once_in(3) ? static_cast<int32_t>(random.between(2, 3)) : 1;
  int32_t depth = random.size(200), out = random.once_in(4) ? 1 : random.size(100);
  fit(random.once_in(16) ? kLargeWork / 4 : kSmallWork, int64_t{y.out} * x.out * fy * fx * batches, depth, out);
  const int64_t taps = (int64_t{fy} / y.stride + 1) * (fx / x.stride + 1) * depth;
  const ProductScales scales = draw_product_scales(random, types.x, types.w, taps, out, types.w == uint8 ? -1 : 0);
  allow_for_sums(m, types, taps);
  const int shape = m.integers({batches, y.in, x.in, out});
  const int w = draw_weights(m, types, {out, fy, fx, depth}, scales.w);
  const int in = m.fed(types.x, {batches, y.out, x.out, depth}, scales.x);
  m.add("TRANSPOSE_CONV", {shape, w, in, draw_bias(m, types, out)}, {m.result(types.x, scales.y)},
        {{"padding", padding},
         {"stride_h", y.stride},
         {"stride_w", x.stride},
         {"fused_activation_function", draw_activation(random)}});
}

void draw_mediapipe(DrawnModel& m, std::string_view) {
  Random& random = m.random();
  constexpr int32_t kSame = 1, kValid = 2;  // TfLitePadding
  const int32_t fy = static_cast<int32_t>(random.between(1, 4)), fx = static_cast<int32_t>(random.between(1, 4));
  const int32_t stride_y = static_cast<int32_t>(random.between(1, 3)),
                stride_x = static_cast<int32_t>(random.between(1, 3));
  const int32_t options[] = {random.once_in(2) ? kSame : kValid, stride_x, stride_y};
  const int32_t depth = random.size(60), out = random.size(40), h = random.size(10), w = random.size(10);
  allow_for_sums(m, {float32, float32}, int64_t{fy} * fx * depth);
  Contents bytes(sizeof(options));
  std::memcpy(bytes.data(), options, sizeof(options));
  const int in = m.fed(float32, {1, h, w, depth});
  const int weights = draw_weights(m, {float32, float32}, {out, fy, fx, depth}, {});
  const int bias = m.constant(float32, {out});
  m.add_custom("Convolution2DTransposeBias", {in, weights, bias}, {m.result(float32)}, std::move(bytes));
}

constexpr Draw kDraws[] = {
    {"CONV_2D", draw_conv},
    {"DEPTHWISE_CONV_2D", draw_depthwise},
    {"TRANSPOSE_CONV", draw_transpose_conv},
    {"Convolution2DTransposeBias", draw_mediapipe},
};

}  // namespace

std::span<const Draw> convolution_draws() { return kDraws; }

}  // namespace subgraft::compare
