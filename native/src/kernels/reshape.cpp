// RESHAPE, SQUEEZE, EXPAND_DIMS and SHAPE: the same bytes under another shape.
#include <cstring>

#include "kernels/families.h"

namespace subgraft {
namespace {

Compute same_bytes(Preparation& p, const Shape& shape) {
  const Operand& input = p.input(0);
  const int bits = dtype_bits(input.dtype);
  if (bits < 8) p.unsupported(p.name(), " of ", dtype_name(input.dtype));
  p.require(input.dtype == p.output(0).dtype, "input is ", dtype_name(input.dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  p.require(shape.elements() == input.shape.elements(), "cannot turn shape ", input.shape.text(), " into ",
            shape.text());
  p.set_output(0, shape);
  p.share(0, 0);
  const size_t size = static_cast<size_t>(shape.elements()) * bits / 8;
  return [size](const Invocation& v) {
    if (v.out<char>(0) != v.in<char>(0)) std::memcpy(v.out<char>(0), v.in<char>(0), size);
  };
}

// Fills in the one dimension that is -1.
Shape resolve(const Preparation& p, std::vector<int64_t> dims) {
  const int64_t elements = p.input(0).shape.elements();
  int64_t known = 1;
  int free = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    p.require(dims[i] >= -1 && dims[i] <= INT32_MAX, "new shape has dimension ", dims[i]);
    if (dims[i] == -1) {
      p.require(free < 0, "new shape has more than one dimension of -1");
      free = static_cast<int>(i);
    } else {
      p.require(dims[i] == 0 || known <= Shape::kMaxElements / dims[i], "new shape has too many elements");
      known *= dims[i];
    }
  }
  if (free >= 0) {
    p.require(known > 0 && elements % known == 0, "cannot divide ", elements, " elements by ", known,
              " to find the dimension of -1");
    dims[free] = elements / known;
  }
  return Shape(std::vector<int32_t>(dims.begin(), dims.end()));
}

Compute prepare_reshape(Preparation& p) {
  p.expect(1, 2, 1);
  std::vector<int64_t> dims;
  if (p.has_input(1) && p.input(1).shape.rank() == 1) {
    dims = p.integers(1);
  } else {
    const auto option = p.options().integers("new_shape");
    dims.assign(option.begin(), option.end());
    // Old converters write [0] for a scalar.
    if (dims.size() == 1 && dims[0] == 0) dims.clear();
  }
  return same_bytes(p, resolve(p, std::move(dims)));
}

Compute prepare_squeeze(Preparation& p) {
  p.expect(1, 1);
  const Shape& shape = p.input(0).shape;
  const auto option = p.options().integers("squeeze_dims");
  bool drop[Shape::kMaxRank] = {};
  for (const int64_t dim : option) {
    const int64_t axis = dim < 0 ? dim + shape.rank() : dim;
    p.require(axis >= 0 && axis < shape.rank(), "squeeze dimension ", dim, " is outside rank ", shape.rank());
    p.require(shape[static_cast<int>(axis)] == 1, "squeeze dimension ", dim, " of shape ", shape.text(), " is not 1");
    drop[axis] = true;
  }
  std::vector<int32_t> dims;
  for (int i = 0; i < shape.rank(); ++i)
    if (option.empty() ? shape[i] != 1 : !drop[i]) dims.push_back(shape[i]);
  return same_bytes(p, Shape(dims));
}

Compute prepare_expand_dims(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  const auto axes = p.integers(1);
  p.require(axes.size() == 1, "axis must be one number");
  const int64_t axis = axes[0] < 0 ? axes[0] + shape.rank() + 1 : axes[0];
  p.require(axis >= 0 && axis <= shape.rank(), "axis ", axes[0], " is outside rank ", shape.rank());
  std::vector<int32_t> dims(shape.dims().begin(), shape.dims().end());
  dims.insert(dims.begin() + axis, 1);
  return same_bytes(p, Shape(dims));
}

Compute prepare_shape(Preparation& p) {
  p.expect(1, 1);
  const Shape& shape = p.input(0).shape;
  p.set_output(0, Shape{shape.rank()});
  if (p.output(0).dtype == DType::int32) {
    p.publish(0, shape.dims().data(), shape.rank() * int64_t{4});
  } else if (p.output(0).dtype == DType::int64) {
    const std::vector<int64_t> wide(shape.dims().begin(), shape.dims().end());
    p.publish(0, wide.data(), shape.rank() * int64_t{8});
  } else {
    p.unsupported("SHAPE as ", dtype_name(p.output(0).dtype));
  }
  return [](const Invocation&) {};
}

}  // namespace

void register_reshape(Registry& registry) {
  registry.add("RESHAPE", prepare_reshape);
  registry.add("SQUEEZE", prepare_squeeze);
  registry.add("EXPAND_DIMS", prepare_expand_dims);
  registry.add("SHAPE", prepare_shape);
}

}  // namespace subgraft
