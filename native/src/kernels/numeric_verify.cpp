// NumericVerify: how far a quantized tensor is from the floats that it stands for.
#include <cmath>
#include <vector>

#include "kernels/cast_math.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"
#include "kernels/quantization.h"
#include "model/flexbuffer.h"

namespace subgraft {
namespace {

// What the elements of a quantized tensor mean; one scale, or one for each index of a dimension.
struct Meaning {
  std::vector<Affine> channels;
  int64_t inner = 1;  // elements in a row that have one scale

  explicit Meaning(const Preparation& p) {
    const Operand& input = p.input(0);
    if (input.dtype == DType::float16) return;
    if (!input.is_per_channel()) {
      channels = {Affine::of(input)};
      return;
    }
    const Quantization& quantization = *input.quantization;
    const int axis = quantization.quantized_dimension;
    p.require(
        axis >= 0 && axis < input.shape.rank() && quantization.scale.size() == static_cast<size_t>(input.shape[axis]),
        quantization.scale.size(), " scales for dimension ", axis, " of shape ", input.shape.text());
    const auto& zeros = quantization.zero_point;
    p.require(zeros.size() == quantization.scale.size(), zeros.size(), " zero points for ", quantization.scale.size(),
              " scales");
    for (size_t c = 0; c < zeros.size(); ++c) {
      p.require(zeros[c] >= -32768 && zeros[c] <= 32767, "zero point ", zeros[c], " of index ", c);
      channels.push_back({quantization.scale[c], static_cast<int32_t>(zeros[c])});
    }
    inner = input.shape.product(axis + 1, input.shape.rank());
  }

  template <typename T>
  float real(T value, int64_t i) const {
    const Affine& affine = channels[static_cast<size_t>(i / inner) % channels.size()];
    return affine.scale * static_cast<float>(value - affine.zero_point);
  }
  float real(Half value, int64_t) const { return to_float(value); }
};

Compute prepare_numeric_verify(Preparation& p) {
  constexpr float kLeastTolerance = 0.1f;  // smaller ones are not enforced
  p.expect(2, 1);
  const Operand& input = p.input(0);
  const Operand& reference = p.input(1);
  if (reference.dtype != DType::float32 || p.output(0).dtype != DType::float32)
    p.unsupported("reference ", dtype_name(reference.dtype), " with output ", dtype_name(p.output(0).dtype));
  p.require(input.shape == reference.shape, "input has shape ", input.shape.text(), ", its reference ",
            reference.shape.text());
  p.set_output(0, input.shape);
  const flexbuffer::Value options = flexbuffer::decode(p.custom_options());
  const auto tolerance = static_cast<float>(options.real("tolerance"));
  const bool enforced = options.boolean("log_if_failed") && tolerance >= kLeastTolerance;
  // Of the one scale: TFLite allows no difference where there are several, or none.
  const float limit = tolerance * (input.is_quantized() && !input.is_per_channel() ? input.scale() : 0);
  p.has_effects();  // it may fail
  return dispatch<int8_t, uint8_t, int16_t, Half>(p, input.dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    const auto check = [enforced, limit, tolerance, meaning = Meaning(p),
                        count = input.shape.elements()](const Invocation& v) {
      for (int64_t i = 0; i < count; ++i) {
        const float real = meaning.real(v.in<T>(0)[i], i), wanted = v.in<float>(1)[i];
        v.out<float>(0)[i] = real - wanted;
        if (enforced && std::abs(real - wanted) > limit)
          throw RunError(concat("element ", i, " stands for ", real, ", which is ", std::abs(real - wanted),
                                " away from its reference ", wanted, "; allowed are ", limit, " (", tolerance,
                                " of the scale)"));
      }
    };
    return check;
  });
}

}  // namespace

void register_numeric_verify(Registry& registry) { registry.add("NumericVerify", prepare_numeric_verify); }

}  // namespace subgraft
