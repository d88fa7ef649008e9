// FULLY_CONNECTED and 1x1 CONV_2D with sparse weights, as they are or behind DENSIFY.
#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

struct Sparse {
  ProductTypes types;
  int32_t units, depth, block;
  double share;
};

Sparse draw_sizes(Random& random) {
  Sparse s{};
  s.types = random.pick<ProductTypes>(
      {{float32, float32}, {float32, float32}, {float32, float16}, {float32, int8}, {int8, int8}, {int16, int8}});
  s.block = random.pick({1, 1, 4, 16});
  s.units = random.size(120);
  s.depth = s.block * random.size(300 / s.block);
  s.share = random.pick({0.0, 0.02, 0.1, 0.3, 0.8});
  return s;
}

int draw_sparse_weights(DrawnModel& m, const Sparse& s, const Dims& row, const Scales& scales) {
  const int listed = m.sparse(s.types.w, s.units, row, scales, s.block, s.share);
  if (s.types.w != float16 && m.random().once_in(2)) return listed;
  const int dense = m.made(s.types.w, scales);
  m.add("DENSIFY", {listed}, {dense});
  if (s.types.w != float16) return dense;
  const int floats = m.made(float32);
  m.add("DEQUANTIZE", {dense}, {floats});
  return floats;
}

ProductScales draw_sparse_scales(DrawnModel& m, const Sparse& s) {
  const DType w = s.types.w == float16 ? float32 : s.types.w;
  allow_for_sums(m, {s.types.x, w}, s.depth);
  return draw_product_scales(m.random(), s.types.x, w, s.depth, s.units, 0);
}

void draw_fully_connected(DrawnModel& m, std::string_view) {
  Random& random = m.random();
  const Sparse s = draw_sizes(random);
  const ProductScales scales = draw_sparse_scales(m, s);
  const int32_t rows = random.once_in(2) ? 1 : random.size(40);
  const int x = m.fed(s.types.x, {rows, s.depth}, scales.x);
  const int w = draw_sparse_weights(m, s, {s.depth}, scales.w);
  m.add("FULLY_CONNECTED", {x, w, draw_bias(m, s.types, s.units)}, {m.result(s.types.x, scales.y)},
        {{"fused_activation_function", draw_activation(random)}});
}

void draw_conv(DrawnModel& m, std::string_view) {
  Random& random = m.random();
  const Sparse s = draw_sizes(random);
  const ProductScales scales = draw_sparse_scales(m, s);
  const int x = m.fed(s.types.x, {random.size(2), random.size(8), random.size(8), s.depth}, scales.x);
  const int w = draw_sparse_weights(m, s, {1, 1, s.depth}, scales.w);
  const double stride = random.once_in(4) ? 2 : 1;
  m.add("CONV_2D", {x, w, draw_bias(m, s.types, s.units)}, {m.result(s.types.x, scales.y)},
        {{"stride_h", stride}, {"stride_w", stride}, {"fused_activation_function", draw_activation(random)}});
}

constexpr Draw kDraws[] = {
    {"FULLY_CONNECTED/sparse", draw_fully_connected},
    {"CONV_2D/sparse", draw_conv},
};

}  // namespace

std::span<const Draw> sparse_draws() { return kDraws; }

}  // namespace subgraft::compare
