// FILL, RANGE and ONE_HOT: tensors made of a few numbers.
#include <cmath>
#include <cstring>

#include "kernels/arithmetic_math.h"
#include "kernels/dispatch.h"
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

// How many numbers lie from start to before limit. Throws RunError where there is no way.
template <typename T>
int64_t range_size(T start, T limit, T delta) {
  if (!((delta > 0 && start <= limit) || (delta < 0 && start >= limit)))
    throw RunError(concat("no range from ", start, " to ", limit, " in steps of ", delta));
  if constexpr (std::is_floating_point_v<T>) {
    const T size = std::ceil(std::abs((limit - start) / delta));
    if (!(size <= static_cast<T>(INT32_MAX - 127)))  // the largest float below 2^31
      throw RunError(concat("a range from ", start, " to ", limit, " in steps of ", delta, " has ", size, " numbers"));
    return static_cast<int64_t>(size);
  } else {
    // The distance fits the unsigned type, whatever the signs.
    const auto distance = delta > 0 ? static_cast<uint64_t>(limit) - static_cast<uint64_t>(start)
                                    : static_cast<uint64_t>(start) - static_cast<uint64_t>(limit);
    const auto step = delta > 0 ? static_cast<uint64_t>(delta) : uint64_t{0} - static_cast<uint64_t>(delta);
    const uint64_t size = distance / step + (distance % step != 0 ? 1 : 0);
    if (size > INT32_MAX)
      throw RunError(concat("a range from ", start, " to ", limit, " in steps of ", delta, " has ", size, " numbers"));
    return static_cast<int64_t>(size);
  }
}

Compute prepare_range(Preparation& p) {
  p.expect(3, 1);
  const DType dtype = p.output(0).dtype;
  for (int i = 0; i < 3; ++i)
    p.require(p.input(i).dtype == dtype && p.input(i).shape.elements() == 1, "input ", i, " is ",
              dtype_name(p.input(i).dtype), p.input(i).shape.text(), ", not one ", dtype_name(dtype));
  return dispatch<float, int32_t, int64_t>(p, dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    const int64_t size = range_size(p.value<T>(0)[0], p.value<T>(1)[0], p.value<T>(2)[0]);
    p.set_output(0, Shape{static_cast<int32_t>(size)});
    return [size](const Invocation& v) {
      T value = *v.in<T>(0);
      const T delta = *v.in<T>(2);
      for (int64_t i = 0; i < size; ++i) {  // errors of floats add up, as in the reference
        v.out<T>(0)[i] = value;
        value = wrapping_add(value, delta);
      }
    };
  });
}

struct OneHot {
  int64_t outer = 0, depth = 0, inner = 0;
};

template <typename T, typename Index>
void one_hot(const OneHot& o, const Invocation& v) {
  const Index* indices = v.in<Index>(0);
  T* out = v.out<T>(0);
  std::fill_n(out, o.outer * o.depth * o.inner, *v.in<T>(3));
  const T on = *v.in<T>(2);
  for (int64_t i = 0; i < o.outer; ++i)
    for (int64_t k = 0; k < o.inner; ++k) {
      const int64_t index = indices[i * o.inner + k];
      if (index >= 0 && index < o.depth) out[(i * o.depth + index) * o.inner + k] = on;
    }
}

Compute prepare_one_hot(Preparation& p) {
  p.expect(4, 1);
  const Shape& indices = p.input(0).shape;
  const DType dtype = p.output(0).dtype;
  for (const int i : {2, 3})
    p.require(p.input(i).dtype == dtype && p.input(i).shape.elements() == 1, "input ", i, " is ",
              dtype_name(p.input(i).dtype), p.input(i).shape.text(), ", not one ", dtype_name(dtype));
  const int64_t option = p.options().integer("axis"), axis = option == -1 ? indices.rank() : option;
  p.require(axis >= 0 && axis <= indices.rank(), "axis ", option, " is outside rank ", indices.rank() + 1);
  p.require(p.input(1).shape.elements() == 1, "the depth must be one number, not ", p.input(1).shape.text());
  const int64_t depth = p.integers(1)[0];
  p.require(depth >= 0 && depth <= INT32_MAX, "depth ", depth);
  std::vector<int32_t> dims(indices.dims().begin(), indices.dims().end());
  dims.insert(dims.begin() + axis, static_cast<int32_t>(depth));
  const Shape output(dims);
  p.set_output(0, output);
  OneHot o;
  if (output.elements() > 0)
    o = {indices.product(0, static_cast<int>(axis)), depth, indices.product(static_cast<int>(axis), indices.rank())};
  return dispatch<float, int8_t, uint8_t, int16_t, int32_t, int64_t, bool>(p, dtype, [&](auto type) {
    using T = std::conditional_t<std::is_same_v<decltype(type), bool>, uint8_t, decltype(type)>;
    return dispatch<int32_t, int64_t>(p, p.input(0).dtype, [o](auto index) -> Compute {
      return [o](const Invocation& v) { one_hot<T, decltype(index)>(o, v); };
    });
  });
}

}  // namespace

void register_fill(Registry& registry) {
  registry.add("FILL", prepare_fill);
  registry.add("RANGE", prepare_range);
  registry.add("ONE_HOT", prepare_one_hot);
}

}  // namespace subgraft
