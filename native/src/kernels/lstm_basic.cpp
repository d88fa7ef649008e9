// LSTM with the kernel type BASIC: one matrix for all gates of one step, in float or with 8-bit activations and 16-bit
// state, as the first converters wrote it.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/fixed_point_functions.h"
#include "kernels/lstm.h"
#include "kernels/quantization.h"

namespace subgraft {
namespace {

constexpr int kInput = 0, kOldActivation = 1, kWeights = 2, kBias = 3, kOldState = 4;
constexpr int kActivation = 0, kState = 1, kConcatenated = 2, kGates = 3;
// The order of the gates' rows.
constexpr int kInputGate = 0, kCandidate = 1, kForgetGate = 2, kOutputGate = 3;

constexpr int kStateBits = 4;     // above the binary point, of the 8-bit kernel's state
constexpr int32_t kMiddle = 128;  // zero point of its activations

// x * m. TFLite computes this kernel's products with its matrix library only, which rounds ties upwards twice.
int64_t rescale_upwards(int32_t x, Multiplier m) {
  const int left = std::max(m.shift, 0), right = std::max(-m.shift, 0);
  const auto shifted = static_cast<int32_t>(static_cast<uint32_t>(x) << left);
  return (int64_t{doubling_high_multiply(shifted, m.value)} + (int64_t{1} << right >> 1)) >> right;
}

struct BasicShape {
  int64_t batch = 0, input = 0, cells = 0;
  bool keeps_activation = false, keeps_state = false;  // those inputs are variables

  int64_t depth() const { return input + cells; }
};

BasicShape check(const Preparation& p) {
  p.expect(5, 4);
  const Shape& input = p.input(kInput).shape;
  const Shape& old = p.input(kOldActivation).shape;
  p.require(input.rank() == 2 && old.rank() == 2 && old[0] == input[0], "input and state have shapes ", input.text(),
            " and ", old.text());
  BasicShape s{input[0], input[1], old[1]};
  p.require(s.cells < (1 << 28) && s.input < (1 << 28), "input and state have shapes ", input.text(), " and ",
            old.text());
  require_tensor(p, kWeights, p.input(kWeights).dtype, {4 * s.cells, s.depth()});
  require_tensor(p, kBias, p.input(kBias).dtype, {4 * s.cells});
  require_tensor(p, kOldState, p.input(kOldState).dtype, {s.batch, s.cells});
  s.keeps_activation = p.input(kOldActivation).is_variable;
  s.keeps_state = p.input(kOldState).is_variable;
  return s;
}

// The types of the five inputs and of the four outputs.
bool has_types(const Preparation& p, std::initializer_list<DType> types) {
  auto type = types.begin();
  for (int i = 0; i < 5; ++i) {
    if (p.input(i).dtype != *type++) return false;
  }
  for (int i = 0; i < 4; ++i) {
    if (p.output(i).dtype != *type++) return false;
  }
  return true;
}

// Activation: of the activations and weights. Internal: of the gates and the state.
template <typename Activation, typename Internal>
class BasicLstm {
 public:
  BasicLstm(Preparation& p, const BasicShape& shape) : s_(shape) {
    if constexpr (std::is_same_v<Activation, uint8_t>) {
      const float state_scale = p.output(kState).scale();
      int exponent = 0;
      if (!is_power_of_two(state_scale, exponent) || 15 + exponent != kStateBits)
        p.unsupported("state with scale ", state_scale, ", which is not 1/2048");
      // The gates are Q3.12.
      multiplier_ = quantize_multiplier(4096 * static_cast<double>(p.input(kBias).scale()));
      weights_zero_ = p.input(kWeights).zero_point();
    }
  }

  void operator()(const Invocation& v) const {
    auto* x = v.out<Activation>(kConcatenated);
    for (int64_t b = 0; b < s_.batch; ++b) {
      std::copy_n(v.in<Activation>(kInput) + b * s_.input, s_.input, x + b * s_.depth());
      std::copy_n(v.in<Activation>(kOldActivation) + b * s_.cells, s_.cells, x + b * s_.depth() + s_.input);
    }
    const int64_t rows = 4 * s_.cells;
    v.parallel(rows, kRecurrentGrain / (s_.batch * s_.depth() + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = 0; b < s_.batch; ++b)
        for (int64_t row = begin; row < end; ++row)
          v.out<Internal>(kGates)[b * rows + row] =
              weigh(v.in<Activation>(kWeights) + row * s_.depth(), x + b * s_.depth(), row, v);
    });
    for (int64_t b = 0; b < s_.batch; ++b)
      for (int64_t c = 0; c < s_.cells; ++c) finish(v, v.out<Internal>(kGates) + b * rows + c, b * s_.cells + c);
    const int64_t count = s_.batch * s_.cells;
    if (s_.keeps_activation) std::copy_n(v.out<Activation>(kActivation), count, v.state<Activation>(kOldActivation));
    if (s_.keeps_state) std::copy_n(v.out<Internal>(kState), count, v.state<Internal>(kOldState));
  }

 private:
  float weigh(const float* weights, const float* x, int64_t row, const Invocation& v) const {
    return dot(weights, x, s_.depth()) + v.in<float>(kBias)[row];
  }
  int16_t weigh(const uint8_t* weights, const uint8_t* x, int64_t row, const Invocation& v) const {
    auto sum = static_cast<uint32_t>(v.in<int32_t>(kBias)[row]);
    for (int64_t i = 0; i < s_.depth(); ++i)
      sum += static_cast<uint32_t>((weights[i] - weights_zero_) * (x[i] - kMiddle));
    return saturate<int16_t>(rescale_upwards(static_cast<int32_t>(sum), multiplier_));
  }

  // One cell, from its four gates.
  void finish(const Invocation& v, const float* gates, int64_t i) const {
    const auto sigmoid = [](float x) { return 1 / (1 + std::exp(-x)); };
    const auto gate = [&](int which) { return gates[which * s_.cells]; };
    const float state = sigmoid(gate(kInputGate)) * std::tanh(gate(kCandidate)) +
                        sigmoid(gate(kForgetGate)) * v.in<float>(kOldState)[i];
    v.out<float>(kState)[i] = state;
    v.out<float>(kActivation)[i] = sigmoid(gate(kOutputGate)) * std::tanh(state);
  }
  void finish(const Invocation& v, const int16_t* gates, int64_t i) const {
    const auto gate = [&](int which) { return gates[which * s_.cells]; };
    const int16_t added = fixed::multiply(fixed::logistic<3>(gate(kInputGate)), fixed::tanh<3>(gate(kCandidate)));
    const int16_t kept = fixed::multiply(fixed::logistic<3>(gate(kForgetGate)), v.in<int16_t>(kOldState)[i]);
    const auto state = saturate<int16_t>(int64_t{fixed::rescale<0, kStateBits>(added)} + kept);
    v.out<int16_t>(kState)[i] = state;
    const int16_t out =
        fixed::multiply(fixed::logistic<3>(gate(kOutputGate)), fixed::tanh<3>(fixed::rescale<kStateBits, 3>(state)));
    v.out<uint8_t>(kActivation)[i] =
        static_cast<uint8_t>(kMiddle + saturate<int8_t>(int64_t{rounding_shift_right(out, 8)}));
  }

  BasicShape s_;
  Multiplier multiplier_;
  int32_t weights_zero_ = 0;
};

}  // namespace

Compute prepare_basic_lstm(Preparation& p) {
  const BasicShape s = check(p);
  const auto matrix = [&s](int64_t columns) {
    return Shape{static_cast<int32_t>(s.batch), static_cast<int32_t>(columns)};
  };
  p.set_output(kActivation, matrix(s.cells));
  p.set_output(kState, matrix(s.cells));
  p.set_output(kConcatenated, matrix(s.depth()));
  p.set_output(kGates, matrix(4 * s.cells));
  constexpr DType f32 = DType::float32, u8 = DType::uint8, i16 = DType::int16;
  if (has_types(p, {f32, f32, f32, f32, f32, f32, f32, f32, f32})) return BasicLstm<float, float>(p, s);
  if (has_types(p, {u8, u8, u8, DType::int32, i16, u8, i16, u8, i16})) return BasicLstm<uint8_t, int16_t>(p, s);
  p.unsupported("input ", dtype_name(p.input(kInput).dtype), " with weights ", dtype_name(p.input(kWeights).dtype),
                " and state ", dtype_name(p.input(kOldState).dtype));
}

}  // namespace subgraft
