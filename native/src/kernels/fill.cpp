// FILL: one value everywhere.
#include <cstring>

#include "kernels/families.h"

namespace subgraft {
namespace {

Compute prepare_fill(Preparation& p) {
  p.expect(2, 1);
  p.require(p.input(0).shape.rank() == 1, "dims must be a vector, not ", p.input(0).shape.text());
  p.require(p.input(1).shape.elements() == 1, "the value must be one element, not ", p.input(1).shape.text());
  p.require(p.input(1).dtype == p.output(0).dtype, "the value is ", dtype_name(p.input(1).dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  const int bits = dtype_bits(p.output(0).dtype);
  if (bits < 8) p.unsupported("FILL of ", dtype_name(p.output(0).dtype));
  std::vector<int32_t> dims;
  for (const int64_t dim : p.integers(0)) {
    p.require(dim >= 0 && dim <= INT32_MAX, "dims has ", dim);
    dims.push_back(static_cast<int32_t>(dim));
  }
  const Shape shape(dims);
  p.set_output(0, shape);
  const int64_t count = shape.elements();
  const size_t size = static_cast<size_t>(bits) / 8;
  return [count, size](const Invocation& v) {
    for (int64_t i = 0; i < count; ++i) std::memcpy(v.out<char>(0) + i * size, v.in<char>(1), size);
  };
}

}  // namespace

void register_fill(Registry& registry) { registry.add("FILL", prepare_fill); }

}  // namespace subgraft
