// SVDF: a fully connected layer over a window of time, as a product of low rank: filters over the features of now,
// whose last results are kept and weighted by their age.
#include <algorithm>
#include <cmath>
#include <memory>

#include "kernels/families.h"
#include "kernels/quantization.h"
#include "kernels/recurrent.h"

namespace subgraft {
namespace {

constexpr int kInput = 0, kFeatureWeights = 1, kTimeWeights = 2, kBias = 3, kState = 4;

struct SvdfShape {
  int64_t batch, depth, filters, memory, units, rank;

  explicit SvdfShape(const Preparation& p) {
    const Shape& input = p.input(kInput).shape;
    const Shape& features = p.input(kFeatureWeights).shape;
    const Shape& times = p.input(kTimeWeights).shape;
    rank = p.options().integer("rank");
    p.require(input.rank() == 2 && features.rank() == 2 && times.rank() == 2, "input and weights have shapes ",
              input.text(), ", ", features.text(), " and ", times.text());
    batch = input[0];
    depth = input[1];
    filters = features[0];
    memory = times[1];
    p.require(memory > 0, "has no memory: its weights over time have shape ", times.text());
    p.require(rank > 0 && filters % rank == 0, "has ", filters, " filters of rank ", rank);
    p.require(features[1] == depth && times[0] == filters, "input and weights have shapes ", input.text(), ", ",
              features.text(), " and ", times.text());
    units = filters / rank;
    const Shape& state = p.input(kState).shape;
    p.require(state.rank() == 2 && state[0] == batch, "state has shape ", state.text());
  }

  int64_t state_size() const { return batch * filters * memory; }
  int64_t state_row(int64_t b, int64_t filter) const { return (b * filters + filter) * memory; }

  // Each filter's memory moves on by one; the last place is free.
  template <typename T>
  void shift(T* state) const {
    std::copy(state + 1, state + state_size(), state);
  }
};

void check_bias(const Preparation& p, const SvdfShape& s, DType dtype) {
  if (p.has_input(kBias)) require_tensor(p, kBias, dtype, {s.units});
}

// With float or 8-bit weights; everything else is float.
template <typename Weight>
class FloatSvdf {
 public:
  FloatSvdf(Preparation& p, const SvdfShape& shape) : s_(shape), activation_(read_activation(p)) {
    const bool asymmetric = p.options().boolean("asymmetric_quantize_inputs");
    const Operand& times = p.input(kTimeWeights);
    const bool fits = times.dtype == p.input(kFeatureWeights).dtype;
    if (!fits) p.unsupported("weights over time are ", dtype_name(times.dtype));
    features_ = Weights<Weight>(p, kFeatureWeights, asymmetric);
    if (std::is_same_v<Weight, int8_t>) time_scale_ = times.scale();
    has_bias_ = p.has_input(kBias);
    check_bias(p, s_, DType::float32);
    require_state(p, kState, DType::float32, s_.state_size());
    quantizer_ = Quantizer<Weight>(p, s_.batch, s_.depth, asymmetric);
  }

  void operator()(const Invocation& v) const {
    if (s_.batch == 0) return;
    features_.begin(v);
    auto* state = v.state<float>(kState);
    s_.shift(state);
    const Vectors<Weight> x = quantizer_(v, v.in<float>(kInput), s_.batch, s_.depth);
    const Matrix<Weight> features = features_.at(v);
    const int64_t grain = kRecurrentGrain / ((s_.depth + s_.memory) * s_.batch * s_.rank + 1) + 1;
    v.parallel(s_.units, grain, [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; ++unit)
        for (int64_t b = 0; b < s_.batch; ++b) {
          float sum = 0;
          for (int64_t filter = unit * s_.rank; filter < (unit + 1) * s_.rank; ++filter) {
            float* row = state + s_.state_row(b, filter);
            row[s_.memory - 1] = product(features, filter, x, b);
            sum += weigh(v.in<Weight>(kTimeWeights) + filter * s_.memory, row);
          }
          if (has_bias_) sum += v.in<float>(kBias)[unit];
          v.out<float>(0)[b * s_.units + unit] = sum;
        }
    });
    activate(activation_, v.out<float>(0), v.out<float>(0), s_.batch * s_.units);
  }

 private:
  float weigh(const float* weights, const float* row) const { return dot(weights, row, s_.memory); }
  float weigh(const int8_t* weights, const float* row) const {
    float sum = 0;
    for (int64_t i = 0; i < s_.memory; ++i) sum += static_cast<float>(weights[i]) * time_scale_ * row[i];
    return sum;
  }

  SvdfShape s_;
  Activation activation_;
  Weights<Weight> features_;
  Quantizer<Weight> quantizer_;
  float time_scale_ = 1;
  bool has_bias_ = false;
};

// With 8-bit activations and weights of features. Time: of the weights over time and of the state, int16_t in TFLite
// and, as tflite-micro has it, also int8_t with a zero point.
template <typename Time>
class IntegerSvdf {
 public:
  IntegerSvdf(Preparation& p, const SvdfShape& shape) : s_(shape) {
    if (read_activation(p) != Activation::relu) p.unsupported("a fused activation other than RELU in integers");
    if (p.input(kFeatureWeights).dtype != DType::int8 || p.output(0).dtype != DType::int8)
      p.unsupported("weights of features ", dtype_name(p.input(kFeatureWeights).dtype), " with output ",
                    dtype_name(p.output(0).dtype));
    check_bias(p, s_, DType::int32);
    has_bias_ = p.has_input(kBias);
    const Operand& state = p.input(kState);
    require_state(p, kState, DTypeOf<Time>::value, s_.state_size());
    input_zero_ = p.input(kInput).zero_point();
    state_zero_ = sizeof(Time) == 1 ? state.zero_point() : 0;
    output_zero_ = p.output(0).zero_point();
    // Products of floats, as in the reference.
    feature_multiplier_ =
        quantize_multiplier(p.input(kInput).scale() * p.input(kFeatureWeights).scale() / state.scale());
    time_multiplier_ = quantize_multiplier(state.scale() * p.input(kTimeWeights).scale() / p.output(0).scale());
  }

  void operator()(const Invocation& v) const {
    if (s_.batch == 0) return;
    auto* state = v.state<Time>(kState);
    s_.shift(state);
    const int64_t grain = kRecurrentGrain / ((s_.depth + s_.memory) * s_.batch * s_.rank + 1) + 1;
    v.parallel(s_.units, grain, [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; ++unit)
        for (int64_t b = 0; b < s_.batch; ++b) {
          uint32_t sum = has_bias_ ? static_cast<uint32_t>(v.in<int32_t>(kBias)[unit]) : 0;
          for (int64_t filter = unit * s_.rank; filter < (unit + 1) * s_.rank; ++filter)
            sum += remember_and_weigh(v, b, filter, state + s_.state_row(b, filter));
          const int64_t scaled = rescale(static_cast<int32_t>(sum), time_multiplier_);
          v.out<int8_t>(0)[b * s_.units + unit] = saturate<int8_t>(scaled + output_zero_);
        }
    });
  }

 private:
  uint32_t remember_and_weigh(const Invocation& v, int64_t b, int64_t filter, Time* row) const {
    const int8_t* weights = v.in<int8_t>(kFeatureWeights) + filter * s_.depth;
    const int8_t* x = v.in<int8_t>(kInput) + b * s_.depth;
    uint32_t feature = 0;
    for (int64_t i = 0; i < s_.depth; ++i) feature += static_cast<uint32_t>(weights[i] * (x[i] - input_zero_));
    const int64_t scaled = rescale(static_cast<int32_t>(feature), feature_multiplier_);
    row[s_.memory - 1] = saturate<Time>(scaled + state_zero_);
    const Time* times = v.in<Time>(kTimeWeights) + filter * s_.memory;
    uint32_t sum = 0;
    for (int64_t i = 0; i < s_.memory; ++i) sum += static_cast<uint32_t>(times[i] * (row[i] - state_zero_));
    return sum;
  }

  SvdfShape s_;
  Multiplier feature_multiplier_, time_multiplier_;
  int32_t input_zero_ = 0, state_zero_ = 0, output_zero_ = 0;
  bool has_bias_ = false;
};

template <typename Kernel>
Compute made(Preparation& p, const SvdfShape& shape) {
  const auto kernel = std::make_shared<const Kernel>(p, shape);
  return [kernel](const Invocation& v) { (*kernel)(v); };
}

Compute prepare_svdf(Preparation& p) {
  p.expect(5, 1);
  const SvdfShape shape(p);
  p.set_output(0, {static_cast<int32_t>(shape.batch), static_cast<int32_t>(shape.units)});
  const DType input = p.input(kInput).dtype, weights = p.input(kFeatureWeights).dtype;
  const DType times = p.input(kTimeWeights).dtype;
  if (input == DType::float32 && p.output(0).dtype == DType::float32) {
    if (weights == DType::float32) return made<FloatSvdf<float>>(p, shape);
    if (is_hybrid_weight(weights)) return made<FloatSvdf<int8_t>>(p, shape);
  } else if (input == DType::int8) {
    if (times == DType::int16) return made<IntegerSvdf<int16_t>>(p, shape);
    if (times == DType::int8) return made<IntegerSvdf<int8_t>>(p, shape);
  }
  p.unsupported("input ", dtype_name(input), " with weights ", dtype_name(weights), " and ", dtype_name(times),
                " and output ", dtype_name(p.output(0).dtype));
}

}  // namespace

void register_svdf(Registry& registry) { registry.add("SVDF", prepare_svdf); }

}  // namespace subgraft
