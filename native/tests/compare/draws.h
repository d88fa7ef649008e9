// How random models of each op are drawn, family by family.
#pragma once

#include <span>
#include <vector>

#include "drawn_model.h"

namespace subgraft::compare {

struct Draw {
  const char* op;
  // op: as in this table, which may name a variety behind a slash.
  void (*draw)(DrawnModel& m, std::string_view op);
};

std::span<const Draw> convolution_draws();
std::span<const Draw> product_draws();
std::span<const Draw> window_draws();
std::span<const Draw> binary_draws();
std::span<const Draw> unary_draws();
std::span<const Draw> row_draws();
std::span<const Draw> movement_draws();
std::span<const Draw> rearrangement_draws();
std::span<const Draw> spectrum_draws();
std::span<const Draw> sparse_draws();
std::span<const Draw> recurrent_draws();
std::span<const Draw> chain_draws();
std::span<const Draw> control_draws();

// What families share.

inline constexpr double kPaddingSame = 0, kPaddingValid = 1;

// A zero point of this type, often at an end of its range; 0 for int16.
int64_t draw_zero(Random& random, DType type);
// A scale that one would meet.
double draw_scale(Random& random);
Scales draw_scales(Random& random, DType type);  // of one tensor of this type; none for what is not quantized
// 0 to 3: none, RELU, RELU_N1_TO_1, RELU6.
double draw_activation(Random& random);
bool is_quantized(DType type);

// What the inputs, weights and outputs of a sum of `taps` products are quantized by.
struct ProductScales {
  Scales x, w, y;
};
// axis: of the weights, when each of `channels` may have its own scale; -1 for one scale.
ProductScales draw_product_scales(Random& random, DType x, DType w, int64_t taps, int32_t channels, int32_t axis);
// Types of activations and weights that an op of products takes.
struct ProductTypes {
  DType x, w;
};
// A bias for them, or -1: none.
int draw_bias(DrawnModel& m, ProductTypes types, int32_t channels);
// Weights: constant, as halves, or, now and then, fed.
int draw_weights(DrawnModel& m, ProductTypes types, const Dims& dims, const Scales& scales);
// Images as an op's input, [batch, height, width, channels]: fed, or now and then what a PAD makes of smaller ones.
int fed_or_padded(DrawnModel& m, DType type, const Dims& dims, const Scales& scales);
// Floats of such sums are compared relative to what they would usually be, however much of them cancels out.
void allow_for_sums(DrawnModel& m, ProductTypes types, int64_t taps, double tolerance = 1e-5);

}  // namespace subgraft::compare
