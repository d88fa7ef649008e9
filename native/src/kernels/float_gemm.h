// Fast products of float32 matrices for the kernels: which micro-kernels there are, packed weights, work for threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "kernels/batch_matmul.h"
#include "kernels/convolution.h"
#include "kernels/fully_connected.h"
#include "kernels/transpose_conv_math.h"
#include "micro/gemm_float.h"
#include "runtime/arena.h"
#include "runtime/kernel.h"

namespace subgraft {

// The micro-kernels of the best instruction set that is enabled; null where only the reference kernels run.
const FloatGemm* float_gemm();

inline int64_t float_slices(int64_t columns) { return (columns + kFloatSlice - 1) / kFloatSlice; }

// Floats that packed weights of so many columns take.
inline int64_t packed_floats(int64_t columns, int64_t depth) { return float_slices(columns) * kFloatSlice * depth; }

// Where the columns of a product are in memory: rows of [columns, depth], as weights are in files, or columns of
// [depth, columns].
enum class ColumnsLie : unsigned char { in_rows, in_columns };

// Packs one matrix of columns, as FloatProduct reads them.
void pack_float_columns(const FloatGemm& gemm, ColumnsLie lie, const float* weights, int64_t columns, int64_t depth,
                        float* packed);

// So many matrices of columns at an input, as FloatProduct reads them, one after the other. Constants are packed once
// for all interpreters of the model, computed ones on each run.
class FloatWeights {
 public:
  FloatWeights(Preparation& p, const FloatGemm* gemm, int input, int64_t matrices, int64_t columns, int64_t depth,
               ColumnsLie lie = ColumnsLie::in_rows);

  // Of the first matrix. To be called once in each run, before the threads part.
  const float* ready(const Invocation& v) const;
  int64_t slice_step() const { return kFloatSlice * depth_; }
  int64_t matrix_step() const { return packed_floats(columns_, depth_); }

 private:
  void pack(const float* weights, float* packed) const;

  const FloatGemm* gemm_;
  int input_, scratch_ = -1;
  int64_t matrices_, columns_, depth_;
  ColumnsLie lie_;
  std::shared_ptr<const std::byte> packed_;
};

// Products that are worth a thread: some 2 us.
inline constexpr int64_t kProductsOfThread = 1 << 17;

// The least number of items of so many products for one thread.
inline int64_t grain_of_products(int64_t products) { return kProductsOfThread / std::max<int64_t>(1, products) + 1; }

// Calls work(row_begin, row_end, column_begin, column_end) for all of a product, divided so that every thread has
// enough to do; columns are divided between slices.
template <typename Work>
void parallel_product(const Invocation& v, int64_t rows, int64_t columns, int64_t depth, const Work& work) {
  const int64_t slices = float_slices(columns), of_slice = kFloatSlice * depth;
  if (rows >= slices) {
    v.parallel(rows, grain_of_products(slices * of_slice),
               [&](int64_t begin, int64_t end) { work(begin, end, int64_t{0}, columns); });
  } else {
    // Few rows wait for the memory that weights come from, as long as so many rows would.
    constexpr int64_t kRowsOfWait = 6;
    v.parallel(slices, grain_of_products(std::max(rows, kRowsOfWait) * of_slice), [&](int64_t begin, int64_t end) {
      work(int64_t{0}, rows, begin * kFloatSlice, std::min(columns, end * kFloatSlice));
    });
  }
}

// The part of a product with these rows and columns; the columns begin with a slice.
FloatProduct part_of(FloatProduct p, int64_t row_begin, int64_t row_end, int64_t column_begin, int64_t column_end);
FloatDots part_of(FloatDots p, int64_t row_begin, int64_t row_end, int64_t column_begin, int64_t column_end);

// The fast kernels, or nothing where the reference kernel has to do. Weights are dense float32; bias, if any, at input
// 2 and checked.
Compute fast_conv_float(Preparation& p, const ConvGeometry& g);
Compute fast_matmul_float(Preparation& p, const MatmulSizes& s);
Compute fast_fully_connected_float(Preparation& p, const FullyConnectedSizes& s);

// What the inputs of a transposed convolution are for.
struct TransposedPlaces {
  int weights, data, bias;
};
Compute fast_transpose_conv_float(Preparation& p, const TransposedGeometry& g, const TransposedPlaces& at,
                                  int64_t activation);

}  // namespace subgraft
