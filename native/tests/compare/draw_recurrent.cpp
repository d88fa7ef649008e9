// LSTM, SVDF and the plain recurrent network, over several runs that keep their state.
#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

enum class Arithmetic { real, hybrid, integer };

constexpr double kNone = 0, kRelu = 1, kRelu6 = 3, kTanh = 4;

struct Lstm {
  Arithmetic arithmetic;
  bool steps, cifg, peephole, projection, normalized;  // steps: a sequence of them, not one
  int32_t time, batches, depth, cells, outputs;
  double weight_scale;
};

Lstm draw_sizes(Random& random, bool steps) {
  Lstm s{};
  s.arithmetic = random.pick({Arithmetic::real, Arithmetic::hybrid, Arithmetic::integer});
  s.steps = steps;
  s.cifg = random.once_in(4);
  s.peephole = random.once_in(4);
  s.projection = random.once_in(4);
  s.normalized = random.once_in(4);
  s.time = random.size(random.once_in(4) ? 20 : 4);
  s.batches = random.once_in(2) ? 1 : random.size(5);
  s.depth = random.size(90);
  s.cells = random.size(70);
  s.outputs = s.projection ? random.size(50) : s.cells;
  s.weight_scale = random.pick({0.001, 0.005, 0.02, 0.1});
  return s;
}

int draw_matrix(DrawnModel& m, const Lstm& s, int32_t rows, int32_t columns) {
  if (s.arithmetic == Arithmetic::real) return m.constant(float32, {rows, columns});
  return m.constant(int8, {rows, columns}, Scales::of(s.weight_scale));
}

int draw_vector(DrawnModel& m, const Lstm& s, int32_t size, bool is_weight) {
  if (s.arithmetic == Arithmetic::real) return m.constant(float32, {size});
  if (s.arithmetic == Arithmetic::integer) return m.constant(int16, {size}, Scales::of(1.0 / 32768));
  return is_weight ? m.constant(int8, {size}, Scales::of(s.weight_scale)) : m.constant(float32, {size});
}

int draw_lstm_bias(DrawnModel& m, const Lstm& s, int32_t size) {
  if (s.arithmetic != Arithmetic::integer) return m.constant(float32, {size});
  m.limit_integers(4000);
  return m.constant(int32, {size});
}

void draw_lstm(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const Lstm s = draw_sizes(random, op == "UNIDIRECTIONAL_SEQUENCE_LSTM");
  const bool integer = s.arithmetic == Arithmetic::integer, time_major = random.once_in(2);
  // A value that quantizes to another step on the way changes all that follows.
  m.allow(s.arithmetic == Arithmetic::hybrid ? 2e-2 : 1e-4, 1);
  Dims shape = {s.batches, s.depth};
  if (s.steps) shape.insert(shape.begin() + (time_major ? 0 : 1), s.time);
  const Scales hidden = integer ? Scales::of(random.pick({0.008, 0.004}), draw_zero(random, int8)) : Scales{};
  const Scales in = integer ? Scales::of(random.pick({0.03, 0.1}), draw_zero(random, int8)) : Scales{};
  std::vector<int32_t> inputs = {m.fed(integer ? int8 : float32, shape, in)};
  m.scale_floats(0.1);
  const auto each_gate = [&](auto make) {
    for (int gate = 0; gate < 4; ++gate) inputs.push_back(s.cifg && gate == 0 ? -1 : make());
  };
  each_gate([&] { return draw_matrix(m, s, s.cells, s.depth); });
  each_gate([&] { return draw_matrix(m, s, s.cells, s.outputs); });
  for (int gate = 0; gate < 3; ++gate)
    inputs.push_back(s.peephole && !(s.cifg && gate == 0) ? draw_vector(m, s, s.cells, true) : -1);
  each_gate([&] { return draw_lstm_bias(m, s, s.cells); });
  inputs.push_back(s.projection ? draw_matrix(m, s, s.outputs, s.cells) : -1);
  inputs.push_back(s.projection && random.once_in(2) ? draw_lstm_bias(m, s, s.outputs) : -1);
  inputs.push_back(m.variable(integer ? int8 : float32, {s.batches, s.outputs}, hidden));
  const Scales cell = Scales::of(1.0 / random.pick({1024, 2048, 4096, 32768}));
  inputs.push_back(m.variable(integer ? int16 : float32, {s.batches, s.cells}, integer ? cell : Scales{}));
  each_gate([&] { return s.normalized ? draw_vector(m, s, s.cells, false) : -1; });
  OpDef& def = m.add(op, inputs, {m.result(integer ? int8 : float32, hidden)},
                     {{"fused_activation_function", integer ? kTanh : random.pick({kTanh, kTanh, kRelu, kRelu6})},
                      {"cell_clip", random.once_in(4) ? 0.3 : 0},
                      {"proj_clip", random.once_in(4) ? 0.2 : 0},
                      {"asymmetric_quantize_inputs", random.once_in(2)},
                      {"time_major", time_major}});
  if (!integer) return;
  for (int gate = 0; gate < 4; ++gate) def.intermediates.push_back(m.internal(int16, Scales::of(1.0 / 4096)));
  def.intermediates.push_back(m.internal(int8, Scales::of(0.007, draw_zero(random, int8))));
}

void draw_svdf(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const auto arithmetic = random.pick({Arithmetic::real, Arithmetic::hybrid, Arithmetic::integer});
  const bool integer = arithmetic == Arithmetic::integer;
  const int32_t batches = random.size(4), depth = random.size(90), units = random.size(40), memory = random.size(20);
  const int32_t rank = static_cast<int32_t>(random.between(1, 3)), filters = units * rank;
  m.allow(arithmetic == Arithmetic::hybrid ? 2e-2 : 1e-5, 1);
  const Scales in = integer ? Scales::of(0.05, draw_zero(random, int8)) : Scales{};
  const int x = m.fed(integer ? int8 : float32, {batches, depth}, in);
  m.scale_floats(0.1);
  int feature, time;
  if (integer) {
    feature = m.constant(int8, {filters, depth}, Scales::of(0.02));
    time = m.constant(int16, {filters, memory}, Scales::of(0.0005));
  } else {
    const DType type = arithmetic == Arithmetic::real ? float32 : int8;
    const Scales scales = arithmetic == Arithmetic::real ? Scales{} : Scales::of(0.01);
    feature = m.constant(type, {filters, depth}, scales);
    time = m.constant(type, {filters, memory}, scales);
  }
  m.limit_integers(40000);
  const int bias = random.once_in(3) ? -1 : m.constant(integer ? int32 : float32, {units});
  const int state =
      m.variable(integer ? int16 : float32, {batches, filters * memory}, integer ? Scales::of(0.003) : Scales{});
  m.add(op, {x, feature, time, bias, state},
        {m.result(integer ? int8 : float32, integer ? Scales::of(0.04, draw_zero(random, int8)) : Scales{})},
        {{"rank", rank},
         {"fused_activation_function", integer ? kRelu : random.pick({kNone, kRelu, kRelu6})},
         {"asymmetric_quantize_inputs", random.once_in(2)}});
}

void draw_rnn(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const bool hybrid = random.once_in(2), time_major = random.once_in(2);
  const int32_t time = random.size(8), batches = random.size(4), depth = random.size(60), units = random.size(60);
  m.allow(hybrid ? 2e-2 : 1e-4, 1);
  Dims shape = {batches, depth};
  if (op != "RNN") shape.insert(shape.begin() + (time_major ? 0 : 1), time);
  const int x = m.fed(float32, shape);
  m.scale_floats(0.1);
  const DType type = hybrid ? int8 : float32;
  const Scales scales = hybrid ? Scales::of(0.005) : Scales{};
  const int w = m.constant(type, {units, depth}, scales), r = m.constant(type, {units, units}, scales);
  const int bias = m.constant(float32, {units}), state = m.variable(float32, {batches, units});
  m.add(op, {x, w, r, bias, state}, {m.result(float32)},
        {{"fused_activation_function", random.pick({kTanh, kTanh, kRelu})},
         {"asymmetric_quantize_inputs", random.once_in(2)},
         {"time_major", time_major}});
}

constexpr Draw kDraws[] = {
    {"UNIDIRECTIONAL_SEQUENCE_LSTM", draw_lstm}, {"LSTM", draw_lstm}, {"SVDF", draw_svdf},
    {"UNIDIRECTIONAL_SEQUENCE_RNN", draw_rnn},   {"RNN", draw_rnn},
};

}  // namespace

std::span<const Draw> recurrent_draws() { return kDraws; }

}  // namespace subgraft::compare
