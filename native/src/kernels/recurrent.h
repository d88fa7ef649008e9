// What recurrent kernels have in common: the order of a sequence's steps, products of weights with vectors, and
// activations. Weights are floats, or ("hybrid") 8-bit numbers for which the vectors are quantized while running.
// Vectors of a batch lie one after the other.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/fixed_point.h"
#include "kernels/dynamic_range.h"
#include "runtime/kernel.h"

namespace subgraft {

// Multiplications that are worth a thread.
inline constexpr int64_t kRecurrentGrain = 32768;

struct Sequence {
  int64_t time = 1, batch = 0;
  bool time_major = true;
  bool backward = false;

  // Of an input [time, batch, depth] or [batch, time, depth].
  static Sequence of(const Preparation& p, const Shape& input) {
    p.require(input.rank() == 3, "input has shape ", input.text(), ", not [time, batch, depth]");
    const bool time_major = p.options().boolean("time_major");
    return {input[time_major ? 0 : 1], input[time_major ? 1 : 0], time_major};
  }

  // Vectors that one step computes side by side: batch-major sequences run one after the other.
  int64_t step_batch() const { return time_major ? batch : 1; }

  // step(first vector of the input and the output, first vector of the states), in order of time.
  template <typename Step>
  void each_step(Step&& step) const {
    if (batch == 0) return;
    for (int64_t b = 0; b < (time_major ? 1 : batch); ++b) {
      for (int64_t t = 0; t < time; ++t) {
        const int64_t moment = backward ? time - 1 - t : t;
        step(time_major ? moment * batch : b * time + moment, b);
      }
    }
  }
};

// In eight partial sums, so that compilers may vectorize it.
inline float dot(const float* a, const float* b, int64_t count) {
  float lanes[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int lane = 0; lane < 8; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  float sum = ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// Wraps around beyond 2^17 products.
inline int32_t dot(const int8_t* a, const int8_t* b, int64_t count) {
  uint32_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<uint32_t>(a[i] * b[i]);
  return static_cast<int32_t>(sum);
}

// Vectors to multiply with. In 8 bits each has its own scale and zero point.
template <typename T>
struct Vectors {
  const T* data = nullptr;
  int64_t depth = 0;
  const float* scale = nullptr;
  const int32_t* zero_point = nullptr;
};

template <typename T>
struct Matrix {
  const T* data = nullptr;
  float scale = 1;
  const int32_t* row_sums = nullptr;  // null: all zero points are 0
};

// row . vector, for one row of a matrix and one vector of a batch.
inline float product(const Matrix<float>& m, int64_t row, const Vectors<float>& x, int64_t b) {
  return dot(m.data + row * x.depth, x.data + b * x.depth, x.depth);
}
inline float product(const Matrix<int8_t>& m, int64_t row, const Vectors<int8_t>& x, int64_t b) {
  int32_t sum = dot(m.data + row * x.depth, x.data + b * x.depth, x.depth);
  if (m.row_sums) sum -= m.row_sums[row] * x.zero_point[b];
  return static_cast<float>(sum) * (m.scale * x.scale[b]);
}

// Whether a hybrid op reads such weights as int8: files from before int8 existed call them uint8.
inline bool is_hybrid_weight(DType dtype) { return dtype == DType::int8 || dtype == DType::uint8; }

// One input of the op as the weights of its products, [rows, columns] or (of a diagonal matrix) [rows].
template <typename T>
class Weights {
 public:
  Weights() = default;

  // `asymmetric`: the vectors have zero points.
  Weights(Preparation& p, int input, bool asymmetric) : input_(input) {
    if constexpr (std::is_same_v<T, int8_t>) {
      const Operand& tensor = p.input(input);
      scale_ = tensor.scale();
      if (!asymmetric || tensor.shape.rank() < 2) return;
      rows_ = tensor.shape[0];
      columns_ = tensor.shape[1];
      if (tensor.is_constant()) {
        row_sums_.resize(static_cast<size_t>(rows_));
        add_up(reinterpret_cast<const int8_t*>(tensor.constant), row_sums_.data());
      } else {
        slot_ = p.scratch(rows_ * int64_t{sizeof(int32_t)});
      }
    }
  }

  // Once a run, before the first product.
  void begin(const Invocation& v) const {
    if constexpr (std::is_same_v<T, int8_t>) {
      if (slot_ >= 0) add_up(v.in<int8_t>(input_), v.scratch<int32_t>(slot_));
    }
  }

  Matrix<T> at(const Invocation& v) const {
    const int32_t* sums = row_sums_.empty() ? nullptr : row_sums_.data();
    return {v.in<T>(input_), scale_, slot_ >= 0 ? v.scratch<int32_t>(slot_) : sums};
  }

  float scale() const { return scale_; }

 private:
  void add_up(const T* data, int32_t* sums) const {
    for (int64_t row = 0; row < rows_; ++row) {
      uint32_t sum = 0;
      for (int64_t i = 0; i < columns_; ++i) sum += static_cast<uint32_t>(int32_t{data[row * columns_ + i]});
      sums[row] = static_cast<int32_t>(sum);
    }
  }

  int input_ = -1, slot_ = -1;
  int64_t rows_ = 0, columns_ = 0;
  float scale_ = 1;
  std::vector<int32_t> row_sums_;
};

// Vectors as their weights want them; 8-bit ones in scratch memory of their own.
template <typename T>
class Quantizer {
 public:
  Quantizer() = default;
  Quantizer(Preparation& p, int64_t batch, int64_t depth, bool asymmetric) : asymmetric_(asymmetric) {
    if constexpr (std::is_same_v<T, int8_t>) {
      data_slot_ = p.scratch(batch * depth);
      scale_slot_ = p.scratch(batch * int64_t{sizeof(float)});
      zero_point_slot_ = p.scratch(batch * int64_t{sizeof(int32_t)});
    }
  }

  Vectors<T> operator()(const Invocation& v, const float* values, int64_t batch, int64_t depth) const {
    if constexpr (std::is_same_v<T, int8_t>) {
      auto* quantized = v.scratch<int8_t>(data_slot_);
      auto* scales = v.scratch<float>(scale_slot_);
      auto* zero_points = v.scratch<int32_t>(zero_point_slot_);
      for (int64_t b = 0; b < batch; ++b) {
        const DynamicRange range = asymmetric_ ? quantize_asymmetric(values + b * depth, depth, quantized + b * depth)
                                               : quantize_symmetric(values + b * depth, depth, quantized + b * depth);
        scales[b] = range.scale;
        zero_points[b] = range.zero_point;
      }
      return {quantized, depth, scales, zero_points};
    } else {
      return {values, depth};
    }
  }

 private:
  bool asymmetric_ = false;
  int data_slot_ = 0, scale_slot_ = 0, zero_point_slot_ = 0;
};

// The op's fused activation. Throws ModelError for numbers that mean none.
inline Activation read_activation(const Preparation& p) {
  const int64_t number = p.options().integer("fused_activation_function");
  p.require(number >= static_cast<int64_t>(Activation::none) && number <= static_cast<int64_t>(Activation::sign_bit),
            "fused activation ", number, " does not exist");
  return static_cast<Activation>(number);
}

// In and out may be the same.
inline void activate(Activation activation, const float* in, float* out, int64_t count) {
  if (activation == Activation::tanh) {
    for (int64_t i = 0; i < count; ++i) out[i] = std::tanh(in[i]);
  } else if (activation == Activation::sign_bit) {
    for (int64_t i = 0; i < count; ++i) out[i] = std::signbit(in[i]) ? 1.f : 0.f;
  } else {
    const Range<float> range = activation_range(static_cast<int64_t>(activation));
    for (int64_t i = 0; i < count; ++i) out[i] = range.clamp(in[i]);
  }
}

template <typename T>
void clip(T* x, int64_t count, T limit) {
  for (int64_t i = 0; i < count; ++i) x[i] = std::clamp(x[i], static_cast<T>(-limit), limit);
}

// Throws unless the input has this type and these dimensions.
inline void require_tensor(const Preparation& p, int i, DType dtype, std::initializer_list<int64_t> dims) {
  const Operand& tensor = p.input(i);
  if (tensor.dtype != dtype)
    p.unsupported("tensor '", tensor.name, "' is ", dtype_name(tensor.dtype), ", not ", dtype_name(dtype));
  bool equal = tensor.shape.rank() == static_cast<int>(dims.size());
  for (int d = 0; equal && d < tensor.shape.rank(); ++d) equal = tensor.shape[d] == dims.begin()[d];
  p.require(equal, "tensor '", tensor.name, "' has shape ", tensor.shape.text());
}

// Throws unless the input is a variable of this type and so many elements.
inline void require_state(const Preparation& p, int i, DType dtype, int64_t elements) {
  const Operand& state = p.input(i);
  p.require(state.is_variable, "state '", state.name, "' is not a variable tensor");
  p.require(state.dtype == dtype && state.shape.elements() == elements, "state '", state.name, "' is ",
            dtype_name(state.dtype), state.shape.text());
}

}  // namespace subgraft
