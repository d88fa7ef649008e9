// RESHAPE, SQUEEZE, EXPAND_DIMS and BITCAST: the same bytes under another shape. SHAPE, RANK and BROADCAST_ARGS: shapes
// as values.
#include <algorithm>
#include <cstring>

#include "kernels/dispatch.h"
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
  p.view(0, 0);
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

// Elements split into smaller ones add a dimension; a last dimension of small ones goes where they make a larger one.
Compute prepare_bitcast(Preparation& p) {
  p.expect(1, 1);
  const Shape& shape = p.input(0).shape;
  const int from = dtype_bits(p.input(0).dtype), to = dtype_bits(p.output(0).dtype);
  const bool is_text = p.input(0).dtype == DType::string || p.output(0).dtype == DType::string;
  if (from < 8 || to < 8 || is_text)
    p.unsupported("BITCAST of ", dtype_name(p.input(0).dtype), " to ", dtype_name(p.output(0).dtype));
  std::vector<int32_t> dims(shape.dims().begin(), shape.dims().end());
  if (from > to) {
    dims.push_back(from / to);
  } else if (from < to) {
    p.require(shape.rank() > 0 && shape.back(0) == to / from, "the last dimension of ", shape.text(), " is not ",
              to / from);
    dims.pop_back();
  }
  const Shape output(dims);
  p.set_output(0, output);
  if (to <= from) p.view(0, 0);  // larger elements need more alignment than the input's may have
  p.share(0, 0);
  const size_t size = static_cast<size_t>(output.elements()) * to / 8;
  return [size](const Invocation& v) {
    if (v.out<char>(0) != v.in<char>(0)) std::memcpy(v.out<char>(0), v.in<char>(0), size);
  };
}

Compute prepare_rank(Preparation& p) {
  p.expect(1, 1);
  p.require(p.output(0).dtype == DType::int32, "output is ", dtype_name(p.output(0).dtype), ", not int32");
  const int32_t rank = p.input(0).shape.rank();
  p.set_output(0, {});
  p.publish(0, &rank, sizeof(rank));
  return [](const Invocation&) {};
}

// Two shapes, aligned at their ends; a dimension of 1 gives way to the other's.
template <typename T>
void broadcast_dims(std::span<const T> a, std::span<const T> b, T* out) {
  if (a.size() < b.size()) std::swap(a, b);
  const size_t leading = a.size() - b.size();
  std::copy_n(a.begin(), leading, out);
  for (size_t i = leading; i < a.size(); ++i) {
    const T x = a[i], y = b[i - leading];
    if (x != y && x != 1 && y != 1) throw RunError(concat("dimensions ", x, " and ", y, " cannot be broadcast"));
    out[i] = x == 1 ? y : x;
  }
}

Compute prepare_broadcast_args(Preparation& p) {
  p.expect(2, 1);
  const Operand &a = p.input(0), &b = p.input(1);
  p.require(a.dtype == b.dtype && a.dtype == p.output(0).dtype, "inputs are ", dtype_name(a.dtype), " and ",
            dtype_name(b.dtype), ", and output is ", dtype_name(p.output(0).dtype));
  p.require(a.shape.rank() == 1 && b.shape.rank() == 1, "shapes must be vectors, not ", a.shape.text(), " and ",
            b.shape.text());
  p.set_output(0, Shape{std::max(a.shape[0], b.shape[0])});
  const auto first = static_cast<size_t>(a.shape[0]), second = static_cast<size_t>(b.shape[0]);
  return dispatch<int32_t, int64_t>(p, a.dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    return [first, second](const Invocation& v) {
      broadcast_dims<T>({v.in<T>(0), first}, {v.in<T>(1), second}, v.out<T>(0));
    };
  });
}

}  // namespace

void register_reshape(Registry& registry) {
  registry.add("RESHAPE", prepare_reshape);
  registry.add("SQUEEZE", prepare_squeeze);
  registry.add("EXPAND_DIMS", prepare_expand_dims);
  registry.add("BITCAST", prepare_bitcast);
  registry.add("SHAPE", prepare_shape);
  registry.add("RANK", prepare_rank);
  registry.add("BROADCAST_ARGS", prepare_broadcast_args);
}

}  // namespace subgraft
