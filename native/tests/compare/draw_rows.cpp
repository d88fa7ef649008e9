// Softmax, normalization, reductions and ARG_MAX.
#include <algorithm>

#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

Dims draw_dims(Random& random, int64_t least_rank) {
  const int64_t rank = random.between(least_rank, 5), most = random.once_in(8) ? 40000 : 3000;
  int64_t elements = 1;
  Dims dims;
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t room = std::max<int64_t>(1, most / elements);
    dims.insert(dims.begin(), random.size(std::min<int64_t>(room, random.once_in(3) ? 1200 : 70)));
    elements *= dims[0];
  }
  if (random.once_in(60)) dims[static_cast<size_t>(random.below(rank))] = 0;
  return dims;
}

void draw_softmax(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  struct Types {
    DType from, to;
  };
  const auto types = random.pick<Types>({{float32, float32},
                                         {float32, float32},
                                         {float16, float16},
                                         {int8, int8},
                                         {int8, int8},
                                         {uint8, uint8},
                                         {int8, int16},
                                         {uint8, int16},
                                         {int16, int16}});
  Scales in = draw_scales(random, types.from), out;
  if (types.to == int8) out = Scales::of(1.0 / 256, -128);
  if (types.to == uint8) out = Scales::of(1.0 / 256, 0);
  if (types.to == int16) out = Scales::of(1.0 / 32768, types.from == int16 ? 0 : -32768);
  m.allow(types.from == float16 ? 1e-3 : 1e-5);
  const int x = m.fed(types.from, draw_dims(random, 1), in);
  m.add(op, {x}, {m.result(types.to, out)}, {{"beta", random.pick({1.0, 1.0, 0.5, 3.0, 10.0})}});
}

void draw_log_softmax(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, float32, int8, uint8});
  Scales out;
  if (type == int8) out = Scales::of(16.0 / 256, 127);
  if (type == uint8) out = Scales::of(16.0 / 256, 255);
  const int x = m.fed(type, draw_dims(random, 1), draw_scales(random, type));
  m.add(op, {x}, {m.result(type, out)});
}

void draw_l2_normalization(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, float32, int8, uint8});
  Scales out;
  if (type == int8) out = Scales::of(1.0 / 128, 0);
  if (type == uint8) out = Scales::of(1.0 / 128, 128);
  const int x = m.fed(type, draw_dims(random, 1), draw_scales(random, type));
  m.add(op, {x}, {m.result(type, out)});
}

std::vector<int32_t> draw_axes(Random& random, int32_t rank) {
  std::vector<int32_t> axes;
  const int64_t kind = random.below(4);
  for (int32_t axis = 0; axis < rank; ++axis) {
    const bool image = rank == 4 && (axis == 1 || axis == 2);
    const bool taken = kind == 0 ? image : kind == 1 ? axis == rank - 1 : random.once_in(2);
    if (taken) axes.push_back(random.once_in(4) ? axis - rank : axis);
  }
  if (axes.empty() && !random.once_in(8)) axes.push_back(0);
  return axes;
}

DType type_for(Random& random, std::string_view op) {
  if (op == "MEAN") return random.pick({float32, float32, int8, int8, uint8, int16, int32, int64});
  if (op == "SUM") return random.pick({float32, float32, int8, uint8, int16, int32, int64});
  if (op == "REDUCE_MAX" || op == "REDUCE_MIN") return random.pick({float32, int8, uint8, int16, int32, int64});
  if (op == "REDUCE_PROD") return random.pick({float32, int8, int16, int32, int64});
  return boolean;
}

void draw_reduction(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = type_for(random, op);
  const Dims dims = draw_dims(random, 1);
  const Scales in = draw_scales(random, type);
  const bool keeps_scale = op == "REDUCE_MAX" || op == "REDUCE_MIN" || random.once_in(4);
  const Scales out = keeps_scale ? in : draw_scales(random, type);
  m.limit_integers(random.pick<int64_t>({3, 100, 1000000}));
  // The reference adds one element after the other: its own errors grow with their number.
  constexpr double kRounding = 6e-8;
  const double tolerance = std::max(1e-5, kRounding * static_cast<double>(elements_of(dims)));
  m.allow(tolerance, op == "MEAN" ? 1 : op == "SUM" ? 100 : 0);
  const int x = m.fed(type, dims, in);
  const int axes = m.integers(draw_axes(random, static_cast<int32_t>(dims.size())));
  m.add(op, {x, axes}, {m.result(type, out)}, {{"keep_dims", random.once_in(2)}});
}

void draw_arg(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, float32, int8, uint8, int16, int32}), index = random.pick({int32, int64});
  const Dims dims = draw_dims(random, 1);
  const int32_t rank = static_cast<int32_t>(dims.size());
  m.limit_integers(3);
  const int x = m.fed(type, dims, draw_scales(random, type));
  const int axis = m.integers({}, {random.once_in(2) ? -1 : static_cast<int32_t>(random.below(rank))});
  m.add(op, {x, axis}, {m.result(index)}, {{"output_type", static_cast<double>(index)}});
}

constexpr Draw kDraws[] = {
    {"SOFTMAX", draw_softmax},
    {"LOG_SOFTMAX", draw_log_softmax},
    {"L2_NORMALIZATION", draw_l2_normalization},
    {"MEAN", draw_reduction},
    {"SUM", draw_reduction},
    {"REDUCE_MAX", draw_reduction},
    {"REDUCE_MIN", draw_reduction},
    {"REDUCE_PROD", draw_reduction},
    {"REDUCE_ANY", draw_reduction},
    {"REDUCE_ALL", draw_reduction},
    {"ARG_MAX", draw_arg},
    {"ARG_MIN", draw_arg},
};

}  // namespace

std::span<const Draw> row_draws() { return kDraws; }

}  // namespace subgraft::compare
