// Loops, branches, calls and variables, whose bodies compute on vectors.
#include <algorithm>
#include <cmath>

#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

// Rows that keep their shape and quantization from op to op, so that they can go round a loop.
class Rows {
 public:
  explicit Rows(DrawnModel& m)
      : type(m.random().pick({float32, float32, int8, int32})),
        dims{m.random().size(5), 2 * m.random().size(40)},
        scales(type == int8 ? Scales::of(0.05, draw_zero(m.random(), int8)) : Scales{}),
        m_(m),
        random_(m.random()) {}

  int fed() { return m_.fed(type, dims, scales); }
  int taken() { return m_.taken(type, dims, scales); }
  int made() { return m_.made(type, scales, dims); }

  // A few ops behind `x`; what comes out may be x itself.
  int steps(int x) {
    const int first = x;
    for (int64_t count = random_.below(5); count > 0; --count) x = step(x, first);
    return x;
  }

  const DType type;
  const Dims dims;
  const Scales scales;

 private:
  int step(int x, int first) {
    const int64_t kind = type == int32 ? random_.below(3) : random_.below(6);
    if (kind == 0) return add("ADD", {x, row()});
    if (kind == 1) return add(random_.pick({"MAXIMUM", "MINIMUM"}), {x, first});
    if (kind == 2) return there_and_back(x);
    if (kind == 3) return multiply(x);
    if (kind == 4) return halves(x);
    return add(random_.pick({"RELU", "RELU6"}), {x});
  }

  int add(const char* op, std::vector<int32_t> inputs) {
    const int y = made();
    m_.add(op, std::move(inputs), {y}, {{"fused_activation_function", 0}});
    return y;
  }
  int row() {
    m_.scale_floats(0.1);
    m_.limit_integers(50);
    return m_.constant(type, {dims[1]}, scales);
  }
  int there_and_back(int x) {
    const Dims flat = {dims[0] * dims[1]};
    const int y = m_.made(type, scales, flat), z = made();
    m_.add("RESHAPE", {x, m_.integers(flat)}, {y});
    m_.add("RESHAPE", {y, m_.integers(dims)}, {z});
    return z;
  }
  int multiply(int x) {
    m_.scale_floats(0.3 / std::sqrt(static_cast<double>(dims[1])));
    const int w = m_.constant(type, {dims[1], dims[1]}, type == int8 ? Scales::of(0.005) : Scales{}), y = made();
    m_.add("FULLY_CONNECTED", {x, w, -1}, {y}, {{"fused_activation_function", draw_activation(random_)}});
    return y;
  }
  int halves(int x) {
    const Dims half = {dims[0], dims[1] / 2};
    const int axis = m_.integers({}, {1}), a = m_.made(type, scales, half), b = m_.made(type, scales, half);
    m_.add("SPLIT", {axis, x}, {a, b}, {{"num_splits", 2}});
    const int y = made();
    m_.add("CONCATENATION", {b, a}, {y}, {{"axis", 1}});
    return y;
  }

  DrawnModel& m_;
  Random& random_;
};

int draw_function(DrawnModel& m, Rows& rows) {
  m.begin_body();
  m.give(rows.steps(rows.taken()));
  return m.end_body();
}

// One of two functions, by a condition.
int choose(DrawnModel& m, Rows& rows, int condition, int x) {
  const int yes = draw_function(m, rows), no = draw_function(m, rows), y = rows.made();
  m.add("IF", {condition, x}, {y}, {{"then_subgraph_index", yes}, {"else_subgraph_index", no}});
  return y;
}

void finish(DrawnModel& m, Rows& rows, int x) { m.give(rows.steps(x)); }

void draw_if(DrawnModel& m, std::string_view) {
  m.allow(1e-4, 1);
  Rows rows(m);
  const int condition = m.fed(boolean, {1}), x = rows.steps(rows.fed());
  finish(m, rows, choose(m, rows, condition, x));
}

void draw_call(DrawnModel& m, std::string_view) {
  m.allow(1e-4, 1);
  Rows rows(m);
  const int function = draw_function(m, rows);
  int x = rows.steps(rows.fed());
  for (int64_t calls = m.random().between(1, 3); calls > 0; --calls) {
    const int y = rows.made();
    m.add("CALL", {x}, {y}, {{"subgraph", function}});
    x = m.random().once_in(2) ? rows.steps(y) : y;
  }
  finish(m, rows, x);
}

// Variables of the loop: how often it went round, what changes, and what may stay, change place or be set anew.
void draw_while(DrawnModel& m, std::string_view) {
  Random& random = m.random();
  m.allow(1e-4, 1);
  Rows rows(m);
  const auto less = [&](int counter, int64_t than) {
    const int y = m.made(boolean, {}, {1});
    m.add("LESS", {counter, m.integers({static_cast<int32_t>(than)})}, {y});
    return y;
  };
  m.begin_body();
  const int checked = m.taken(int32, {1});
  rows.taken();
  rows.taken();
  m.give(less(checked, random.below(7)));
  const int condition = m.end_body();

  m.begin_body();
  const int counter = m.taken(int32, {1}), a = rows.taken(), b = rows.taken(), next = m.made(int32, {}, {1});
  m.add("ADD", {counter, m.integers({1})}, {next}, {{"fused_activation_function", 0}});
  m.give(next);
  const bool branches = random.once_in(3);
  const int changed = branches ? choose(m, rows, less(counter, 2), a) : rows.steps(a);
  const int64_t other = random.below(4);
  m.give(other == 0 ? b : changed);
  m.give(other == 0 ? changed : other == 1 ? b : other == 2 ? a : rows.steps(b));
  const int body = m.end_body();

  const int start = random.once_in(2) ? m.integers({0}) : m.fed_between(int32, {1}, 0, 3);
  const int x = rows.steps(rows.fed()), y = random.once_in(2) ? x : rows.fed();
  const int count = m.result(int32, {}), first = rows.made(), second = rows.made();
  m.add("WHILE", {start, x, y}, {count, first, second},
        {{"cond_subgraph_index", condition}, {"body_subgraph_index", body}});
  m.give(second);
  finish(m, rows, first);
}

void draw_variable(DrawnModel& m, std::string_view) {
  m.allow(1e-4, 1);
  Rows rows(m);
  const auto handle = [&] {
    const int made = m.made(resource);
    m.add("VAR_HANDLE", {}, {made});
    return made;
  };
  m.begin_body();
  const int first = m.constant(rows.type, rows.dims, rows.scales);
  m.add("ASSIGN_VARIABLE", {handle(), first}, {});
  const int once = m.end_body();
  m.add("CALL_ONCE", {}, {}, {{"init_subgraph_index", once}});
  const int variable = handle(), x = rows.fed(), read = rows.made(), sum = rows.made();
  m.add("READ_VARIABLE", {variable}, {read});
  m.add("ADD", {rows.steps(x), rows.steps(read)}, {sum}, {{"fused_activation_function", 0}});
  m.add("ASSIGN_VARIABLE", {variable, rows.steps(sum)}, {});
  const int again = rows.made();
  m.add("READ_VARIABLE", {variable}, {again});
  m.give(read);
  m.give(rows.steps(again));
}

constexpr Draw kDraws[] = {
    {"control/IF", draw_if},
    {"control/CALL", draw_call},
    {"control/WHILE", draw_while},
    {"control/variables", draw_variable},
};

}  // namespace

std::span<const Draw> control_draws() { return kDraws; }

}  // namespace subgraft::compare
