// The vector arithmetic of an LSTM step. Vectors of a batch lie one after the other.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/fixed_point.h"

namespace subgraft {

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

// Means of 0 and deviations of 1, then weights and bias.
inline void normalize(float* x, const float* weight, const float* bias, int64_t count) {
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(count);
  float squares = 0;
  for (int64_t i = 0; i < count; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const float inverse_deviation = 1 / std::sqrt(squares / static_cast<float>(count) + 1e-8f);
  for (int64_t i = 0; i < count; ++i) x[i] = (x[i] - mean) * inverse_deviation * weight[i] + bias[i];
}

inline void sigmoid(float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = 1 / (1 + std::exp(-x[i]));
}

// One of relu, relu_n1_to_1, relu6 and tanh. In and out may be the same.
inline void activate(Activation activation, const float* in, float* out, int64_t count) {
  if (activation == Activation::tanh) {
    for (int64_t i = 0; i < count; ++i) out[i] = std::tanh(in[i]);
    return;
  }
  const Range<float> range = activation_range(static_cast<int64_t>(activation));
  for (int64_t i = 0; i < count; ++i) out[i] = range.clamp(in[i]);
}

template <typename T>
void clip(T* x, int64_t count, T limit) {
  for (int64_t i = 0; i < count; ++i) x[i] = std::clamp(x[i], static_cast<T>(-limit), limit);
}

}  // namespace subgraft
