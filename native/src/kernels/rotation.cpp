// aeq.hadamard_rotation: parts of the last dimension times a Hadamard matrix, which spreads outliers before
// quantization.
#include <cmath>
#include <cstring>

#include "kernels/families.h"
#include "kernels/movement.h"
#include "model/flexbuffer.h"

namespace subgraft {
namespace {

// The fast transform: sums and differences of elements that lie 1, 2, 4, ... apart.
void rotate(float* data, int64_t size, float norm) {
  for (int64_t apart = 1; apart < size; apart *= 2) {
    for (int64_t i = 0; i < size; i += 2 * apart) {
      for (int64_t j = i; j < i + apart; ++j) {
        const float a = data[j], b = data[j + apart];
        data[j] = a + b;
        data[j + apart] = a - b;
      }
    }
  }
  for (int64_t i = 0; i < size; ++i) data[i] *= norm;
}

// TFLite reads the vector of random signs among the options, but does not apply it.
Compute prepare_rotation(Preparation& p) {
  p.expect(1, 1);
  const Shape& shape = p.input(0).shape;
  for (const Operand* operand : {&p.input(0), &p.output(0)})
    if (operand->dtype != DType::float32) p.unsupported("a rotation of ", dtype_name(operand->dtype));
  const int64_t size = flexbuffer::decode(p.custom_options()).integer("hadamard_size");
  p.require(size >= 1 && size <= INT32_MAX && (size & (size - 1)) == 0, "hadamard_size is ", size,
            "; it must be a power of 2");
  p.require(shape.rank() >= 1 && shape.back(0) % size == 0, "parts of ", size, " do not divide the last dimension of ",
            shape.text());
  p.set_output(0, shape);
  p.share(0, 0);
  const auto norm = static_cast<float>(1.0 / std::sqrt(static_cast<double>(size)));
  return [size, norm, count = shape.elements()](const Invocation& v) {
    float* out = v.out<float>(0);
    if (out != v.in<float>(0)) std::memcpy(out, v.in<float>(0), static_cast<size_t>(count) * sizeof(float));
    v.parallel(count / size, row_grain(size * static_cast<int64_t>(sizeof(float))), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) rotate(out + i * size, size, norm);
    });
  };
}

}  // namespace

void register_rotation(Registry& registry) { registry.add("aeq.hadamard_rotation", prepare_rotation); }

}  // namespace subgraft
