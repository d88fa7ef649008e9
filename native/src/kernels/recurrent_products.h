// Products of several rows of float weights with the vectors of a batch, and activations, on vectors.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <limits>

#include "kernels/float_gemm.h"
#include "kernels/recurrent.h"
#include "micro/elementwise.h"

namespace subgraft {

class FloatRecurrence {
 public:
  // Depths: of the vectors that it multiplies. Null where there are no kernels.
  static bool is_there(std::initializer_list<int64_t> depths) {
    return float_gemm() && elementwise() && std::all_of(depths.begin(), depths.end(), [](int64_t d) { return d > 0; });
  }
  explicit FloatRecurrence(bool is_there)
      : gemm_(is_there ? float_gemm() : nullptr), functions_(is_there ? elementwise() : nullptr) {}

  explicit operator bool() const { return gemm_; }

  // Pieces of rows that are worth a thread.
  static int64_t grain(int64_t products_of_row) { return 4 * kRecurrentGrain / (products_of_row + 1) + 1; }

  // out[b * step + row] = row of weights . vector b + the row's bias (null: none), of rows [begin, end).
  void multiply(const Matrix<float>& m, const Vectors<float>& x, int64_t batch, int64_t begin, int64_t end,
                const float* bias, float* out, int64_t step) const {
    constexpr float kMost = std::numeric_limits<float>::infinity();
    gemm_->multiply_dots({.x = {x.data, batch, x.depth, 1, x.depth, 0},
                          .weights = m.data + begin * x.depth,
                          .column_step = x.depth,
                          .columns = end - begin,
                          .result = {out + begin, step, bias ? bias + begin : nullptr, -kMost, kMost, {}}});
  }

  void sigmoid(float* x, int64_t count) const { functions_->logistic(nullptr, x, x, count); }
  void tanh(const float* in, float* out, int64_t count) const { functions_->tanh(nullptr, in, out, count); }

 private:
  const FloatGemm* gemm_;
  const Elementwise* functions_;
};

}  // namespace subgraft
