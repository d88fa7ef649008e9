// Ops of two inputs with broadcasting, and SELECT.
#include <algorithm>

#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

struct Shapes {
  Dims left, right;
};

// Equal, one a scalar or a row, or dimensions of 1 anywhere.
Shapes draw_shapes(Random& random) {
  const int64_t rank = random.between(1, 5);
  int64_t elements = 1;
  const int64_t most = random.once_in(8) ? 40000 : 2000;
  Dims whole;
  for (int64_t i = 0; i < rank; ++i) {
    const int32_t dim =
        random.once_in(60) ? 0 : random.size(std::max<int64_t>(1, std::min<int64_t>(most / elements, 300)));
    elements *= std::max(dim, 1);
    whole.insert(whole.begin(), dim);
  }
  Dims part = whole;
  const int64_t kind = random.below(6);
  if (kind == 1) part = random.once_in(2) ? Dims{} : Dims(whole.size(), 1);
  if (kind == 2) part.assign(whole.end() - random.between(1, rank), whole.end());
  if (kind >= 3)
    for (int32_t& dim : part) dim = random.once_in(2) ? 1 : dim;
  Dims other = whole;
  if (kind == 5)
    for (size_t i = 0; i < other.size(); ++i) other[i] = part[i] == 1 || random.once_in(2) ? other[i] : 1;
  return random.once_in(2) ? Shapes{other, part} : Shapes{part, other};
}

int draw_operand(DrawnModel& m, DType type, const Dims& dims, const Scales& scales) {
  return m.random().once_in(4) ? m.constant(type, dims, scales) : m.fed(type, dims, scales);
}

DType draw_type(Random& random, std::initializer_list<DType> types) { return random.pick(types); }

DType type_for(Random& random, std::string_view op) {
  if (op == "ADD") return draw_type(random, {float32, float32, float16, int8, int8, uint8, int16, int32, int64});
  if (op == "MUL") return draw_type(random, {float32, float32, float16, int8, int8, uint8, int16, int32, int64});
  if (op == "SUB") return draw_type(random, {float32, float32, int8, uint8, int16, int32, int64});
  if (op == "DIV") return draw_type(random, {float32, float32, int8, uint8, int16, int32});
  if (op == "FLOOR_DIV") return draw_type(random, {float32, int8, int16, int32});
  if (op == "FLOOR_MOD") return draw_type(random, {float32, int8, int16, int32, int64});
  if (op == "POW") return draw_type(random, {float32, int32});
  if (op == "SQUARED_DIFFERENCE") return draw_type(random, {float32, float32, int8, int8, int16, int32});
  if (op == "MAXIMUM" || op == "MINIMUM")
    return draw_type(random, {float32, float32, float16, int8, uint8, int16, int32, int64});
  if (op == "LOGICAL_AND" || op == "LOGICAL_OR") return boolean;
  return draw_type(random, {float32, float32, float16, int8, uint8, int16, int32, int64});  // comparisons
}

bool is_comparison(std::string_view op) {
  return op.find("EQUAL") != op.npos || op.find("LESS") != op.npos || op.find("GREATER") != op.npos;
}

void draw_binary(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = type_for(random, op);
  const Shapes shapes = draw_shapes(random);
  m.allow_special_floats(random.once_in(6));
  m.limit_integers(random.pick<int64_t>({3, 100, 100, 100000, INT64_MAX}));
  if (type == float16) m.allow(1e-3);
  Scales a = draw_scales(random, type), b = draw_scales(random, type), y = draw_scales(random, type);
  const bool same = op == "MAXIMUM" || op == "MINIMUM" || op == "FLOOR_DIV" || op == "FLOOR_MOD" || random.once_in(3);
  if (same) b = y = a;
  const bool powers_of_two = type == int16 && random.once_in(3);
  if (powers_of_two) {
    a = b = y = Scales::of(1.0 / 4096);
    (random.once_in(2) ? a : b).scale[0] /= random.pick({1.0f, 2.0f, 8.0f});
  }
  const bool divides = op == "DIV" || op.starts_with("FLOOR_");
  const int left = draw_operand(m, type, shapes.left, a);
  const bool is_plain = type == int32 || type == int64;
  int right;
  if (op == "POW" && is_plain)
    right = m.fed_between(type, shapes.right, 0, 5);
  else if (divides && is_plain && !random.once_in(20))
    right = m.fed_between(type, shapes.right, 1, 1000);
  else
    right = draw_operand(m, type, shapes.right, b);
  const bool has_result_bool = is_comparison(op) || type == boolean;
  m.add(op, {left, right}, {m.result(has_result_bool ? boolean : type, has_result_bool ? Scales{} : y)},
        {{"fused_activation_function", is_plain ? 0 : draw_activation(random)}, {"pot_scale_int16", powers_of_two}});
}

void draw_prelu(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, float32, int8, uint8, int16});
  const DType alpha_type = type == int16 ? int8 : type;
  Shapes shapes = draw_shapes(random);
  if (elements_of(shapes.left) < elements_of(shapes.right)) std::swap(shapes.left, shapes.right);
  m.allow_special_floats(random.once_in(6));
  const int x = m.fed(type, shapes.left, draw_scales(random, type));
  const int alpha = draw_operand(m, alpha_type, shapes.right, draw_scales(random, alpha_type));
  m.add(op, {x, alpha}, {m.result(type, draw_scales(random, type))});
}

void draw_select(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int16, int32, int64, boolean});
  Shapes shapes = draw_shapes(random);
  const Scales scales = draw_scales(random, type);
  if (op == "SELECT" || random.once_in(3)) {
    const Dims& whole = shapes.left.size() < shapes.right.size() ? shapes.right : shapes.left;
    const int condition = m.fed(boolean, whole);
    const int a = m.fed(type, whole, scales), b = m.fed(type, whole, scales);
    m.add(op, {condition, a, b}, {m.result(type, scales)});
    return;
  }
  const bool first = random.once_in(2);
  const int condition = draw_operand(m, boolean, first ? shapes.left : shapes.right, {});
  const int a = draw_operand(m, type, shapes.left, scales), b = m.fed(type, shapes.right, scales);
  m.add(op, {condition, a, b}, {m.result(type, scales)});
}

constexpr Draw kDraws[] = {
    {"ADD", draw_binary},         {"SUB", draw_binary},
    {"MUL", draw_binary},         {"DIV", draw_binary},
    {"FLOOR_DIV", draw_binary},   {"FLOOR_MOD", draw_binary},
    {"POW", draw_binary},         {"MAXIMUM", draw_binary},
    {"MINIMUM", draw_binary},     {"SQUARED_DIFFERENCE", draw_binary},
    {"EQUAL", draw_binary},       {"NOT_EQUAL", draw_binary},
    {"LESS", draw_binary},        {"LESS_EQUAL", draw_binary},
    {"GREATER", draw_binary},     {"GREATER_EQUAL", draw_binary},
    {"LOGICAL_AND", draw_binary}, {"LOGICAL_OR", draw_binary},
    {"PRELU", draw_prelu},        {"SELECT", draw_select},
    {"SELECT_V2", draw_select},
};

}  // namespace

std::span<const Draw> binary_draws() { return kDraws; }

}  // namespace subgraft::compare
