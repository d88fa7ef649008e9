// Ops of one input, element by element; QUANTIZE, DEQUANTIZE and CAST.
#include <algorithm>
#include <cmath>

#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

Dims draw_dims(Random& random) {
  if (random.once_in(60)) return {random.size(4), 0, random.size(4)};
  const int32_t last = random.size(random.once_in(6) ? 20000 : 300);
  Dims dims = {last};
  if (random.once_in(2)) dims.insert(dims.begin(), random.size(std::max(1, std::min(20, 20000 / last))));
  return dims;
}

DType type_for(Random& random, std::string_view op) {
  if (op == "LOGISTIC" || op == "TANH")
    return random.pick({float32, float32, float32, float16, bfloat16, int8, uint8, int16});
  if (op.starts_with("RELU") || op == "LEAKY_RELU") return random.pick({float32, int8, uint8, int16});
  if (op == "ELU") return random.pick({float32, float32, int8});
  if (op == "GELU") return random.pick({float32, float32, float16, int8, uint8, int16});
  if (op == "HARD_SWISH") return random.pick({float32, int8, uint8});
  if (op == "ABS") return random.pick({float32, int8, int16, int32});
  if (op == "NEG") return random.pick({float32, float16, int8, int16, int32, int64});
  if (op == "SQRT" || op == "RSQRT" || op == "EXP" || op == "LOG") return random.pick({float32, float32, int8, int16});
  if (op == "SIN" || op == "COS") return random.pick({float32, float16});
  if (op == "FLOOR" || op == "ROUND") return random.pick({float32, float16, bfloat16});
  if (op == "SIGN" || op == "ZEROS_LIKE") return random.pick({float32, int32});
  if (op == "LOGICAL_NOT") return boolean;
  return float32;
}

void draw_unary(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = type_for(random, op);
  m.allow_special_floats(random.once_in(4));
  if (type == float16) m.allow(4e-3);
  if (type == bfloat16) m.allow(1e-2);
  Scales in = draw_scales(random, type), out = draw_scales(random, type);
  if (is_quantized(type) && random.once_in(4)) out.scale[0] = in.scale[0] * random.pick({1.0f, 0.01f, 1e-4f});
  if (op == "LOGISTIC" && type == int8) out = Scales::of(1.0 / 256, -128);
  if (op == "LOGISTIC" && type == uint8) out = Scales::of(1.0 / 256, 0);
  if ((op == "LOGISTIC" || op == "TANH") && type == int16) out = Scales::of(1.0 / 32768);
  const bool needs_positive = op == "SQRT" || op == "RSQRT" || op == "LOG";
  if (needs_positive && type == int8) in.zero = {-128};
  if (op == "LOG" || (op == "GELU" && type == float32)) m.allow(1e-5, 1);
  const int x = m.fed(type, draw_dims(random), in);
  m.add(op, {x}, {m.result(type, out)},
        {{"alpha", random.pick({0.0, 0.1, 0.3, 1.5, -0.2})}, {"approximate", random.once_in(2)}});
}

void draw_quantize(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  struct Types {
    DType from, to;
  };
  const auto types = random.pick<Types>({{float32, int8},
                                         {float32, int8},
                                         {float32, uint8},
                                         {float32, int16},
                                         {int8, int8},
                                         {int8, uint8},
                                         {uint8, int8},
                                         {uint8, uint8},
                                         {int8, int16},
                                         {int16, int8},
                                         {int16, int16},
                                         {int32, int8},
                                         {int16, int32},
                                         {uint8, int16}});
  const Dims dims = draw_dims(random);
  m.allow_special_floats(random.once_in(6));
  m.limit_integers(INT32_MAX);
  const auto scales = [&](DType type) {
    if (type == int32) return Scales::of(draw_scale(random) / 65536);
    Scales drawn = draw_scales(random, type);
    const int32_t axis = static_cast<int32_t>(random.below(static_cast<int64_t>(dims.size())));
    if (random.once_in(5) && !drawn.scale.empty() && dims[axis] > 1 && type != int16) {
      drawn.axis = axis;
      drawn.scale.clear();
      for (int32_t i = 0; i < dims[axis]; ++i) drawn.scale.push_back(static_cast<float>(draw_scale(random)));
      drawn.zero.assign(drawn.scale.size(), drawn.zero[0]);
    }
    return drawn;
  };
  const int x = m.fed(types.from, dims, types.from == float32 ? Scales{} : scales(types.from));
  m.add(op, {x}, {m.result(types.to, scales(types.to))});
}

void draw_dequantize(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({int8, int8, uint8, int16, float16});
  const int x = m.fed(type, draw_dims(random), draw_scales(random, type));
  m.add(op, {x}, {m.result(float32)});
}

void draw_cast(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const auto draw_type = [&] { return random.pick({float32, float16, int8, uint8, int16, int32, int64, boolean}); };
  m.limit_integers(random.pick<int64_t>({100, 70000, INT64_MAX}));
  m.allow_special_floats(random.once_in(4));
  const int x = m.fed(draw_type(), draw_dims(random));
  m.add(op, {x}, {m.result(draw_type())});
}

constexpr Draw kDraws[] = {
    {"LOGISTIC", draw_unary},    {"TANH", draw_unary},         {"RELU", draw_unary},
    {"RELU6", draw_unary},       {"RELU_N1_TO_1", draw_unary}, {"LEAKY_RELU", draw_unary},
    {"ELU", draw_unary},         {"HARD_SWISH", draw_unary},   {"GELU", draw_unary},
    {"ABS", draw_unary},         {"NEG", draw_unary},          {"SIGN", draw_unary},
    {"SQRT", draw_unary},        {"RSQRT", draw_unary},        {"EXP", draw_unary},
    {"LOG", draw_unary},         {"SQUARE", draw_unary},       {"SIN", draw_unary},
    {"COS", draw_unary},         {"FLOOR", draw_unary},        {"CEIL", draw_unary},
    {"ROUND", draw_unary},       {"ZEROS_LIKE", draw_unary},   {"LOGICAL_NOT", draw_unary},
    {"RELU_0_TO_1", draw_unary}, {"QUANTIZE", draw_quantize},  {"DEQUANTIZE", draw_dequantize},
    {"CAST", draw_cast},
};

}  // namespace

std::span<const Draw> unary_draws() { return kDraws; }

}  // namespace subgraft::compare
