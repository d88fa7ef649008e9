// DILATE and REDUCE_WINDOW: holes in tensors, and windows with holes over them.
#include "kernels/windows.h"

#include <algorithm>
#include <cstring>

#include "kernels/arithmetic_math.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"
#include "kernels/map.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

Compute prepare_dilate(Preparation& p) {
  p.expect(3, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  p.require(p.input(2).dtype == p.input(0).dtype && p.input(2).shape.elements() == 1, "the padding is ",
            dtype_name(p.input(2).dtype), p.input(2).shape.text(), ", not one ", dtype_name(p.input(0).dtype));
  p.require(shape.rank() >= 1 && p.input(1).shape == Shape{shape.rank()}, "dilations of shape ",
            p.input(1).shape.text(), " for input of shape ", shape.text());
  const auto dilations = p.value<int32_t>(1);
  std::vector<int32_t> dims;
  for (int d = 0; d < shape.rank(); ++d) {
    p.require(dilations[d] >= 1, "dilation ", dilations[d], " is less than 1");
    const int64_t dim = shape[d] == 0 ? 0 : (int64_t{shape[d]} - 1) * dilations[d] + 1;
    p.require(dim <= INT32_MAX, "dimension ", d, " gets ", dim, " elements");
    dims.push_back(static_cast<int32_t>(dim));
  }
  const Shape output(dims);
  p.set_output(0, output);
  StridedCopy copy(element_bytes);
  for (int d = 0; d < shape.rank(); ++d) copy.add(shape[d], stride_of(shape, d), stride_of(output, d) * dilations[d]);
  return [copy, count = output.elements(), element_bytes](const Invocation& v) {
    std::byte* out = v.out<std::byte>(0);
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(out + i * element_bytes, v.in<std::byte>(2), static_cast<size_t>(element_bytes));
    v.parallel(copy.rows(), row_grain(copy.row_bytes()),
               [&](int64_t begin, int64_t end) { copy.copy_rows(v.in<std::byte>(0), out, begin, end); });
  };
}

// Calls visit(offset) for every element of a window that starts at 0, in order.
template <typename Visit>
void walk(const Windows& w, int depth, int64_t offset, Visit&& visit) {
  if (depth == w.rank) {
    visit(offset);
    return;
  }
  for (int64_t i = 0; i < w.sizes[depth]; ++i, offset += w.strides[depth]) walk(w, depth + 1, offset, visit);
}

template <typename T, typename F>
Compute run_windows(const Windows& w, int slot, F f) {
  return [w, slot, f](const Invocation& v) {
    const T* in = slot < 0 ? v.in<T>(0) : v.scratch<T>(slot);
    v.parallel(w.count, 1024, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t start = 0, rest = i;
        for (int d = w.rank - 1; d >= 0; --d) {
          start += rest % w.outputs[d] * w.steps[d];
          rest /= w.outputs[d];
        }
        T result = *v.in<T>(1);
        walk(w, 0, start, [&](int64_t at) { result = f(result, in[at]); });
        v.out<T>(0)[i] = result;
      }
    });
  };
}

template <typename T>
Compute run_function(const Preparation& p, const Windows& w, Reduction reduction, int slot) {
  switch (reduction) {
    case Reduction::add:
      return run_windows<T>(w, slot, [](T a, T b) { return wrapping_add(a, b); });
    case Reduction::multiply:
      return run_windows<T>(w, slot, [](T a, T b) { return wrapping_multiply(a, b); });
    case Reduction::minimum:
      return run_windows<T>(w, slot, [](T a, T b) { return a <= b ? a : b; });
    case Reduction::maximum:
      return run_windows<T>(w, slot, [](T a, T b) { return a >= b ? a : b; });
    case Reduction::all:
      return run_windows<T>(w, slot, [](T a, T b) { return static_cast<T>(a != 0 && b != 0); });
    case Reduction::any:
      return run_windows<T>(w, slot, [](T a, T b) { return static_cast<T>(a != 0 || b != 0); });
  }
  p.unsupported("reduce function ", static_cast<int>(reduction));
}

// A sum of bools is true when any is, a product when all are. A file may hold any byte for true.
Compute run_bools(const Preparation& p, const Windows& w, Reduction reduction, int slot) {
  const auto all = [](uint8_t a, uint8_t b) { return static_cast<uint8_t>(a != 0 && b != 0); };
  const auto any = [](uint8_t a, uint8_t b) { return static_cast<uint8_t>(a != 0 || b != 0); };
  switch (reduction) {
    case Reduction::add:
    case Reduction::maximum:
    case Reduction::any:
      return run_windows<uint8_t>(w, slot, any);
    case Reduction::multiply:
    case Reduction::minimum:
    case Reduction::all:
      return run_windows<uint8_t>(w, slot, all);
  }
  p.unsupported("reduce function ", static_cast<int>(reduction));
}

void require_numbers(const Preparation& p, int i) {
  const int rank = p.input(0).shape.rank();
  p.require(p.input(i).shape == Shape{rank}, "input ", i, " has shape ", p.input(i).shape.text(), " for rank ", rank);
}

Compute prepare_reduce_window(Preparation& p) {
  p.expect(5, 1);
  p.require(p.input(0).shape.rank() >= 1, "input is a scalar");
  for (int i = 2; i < 5; ++i) require_numbers(p, i);
  const Windows w = plan_windows(p, p.input(0).shape, p.integers(2), p.integers(3), p.integers(4));
  return reduce_windows(p, w, static_cast<Reduction>(p.options().integer("reduce_function")));
}

}  // namespace

Windows plan_windows(Preparation& p, const Shape& shape, std::span<const int64_t> sizes,
                     std::span<const int64_t> strides, std::span<const int64_t> dilations) {
  Windows w;
  w.rank = shape.rank();
  std::vector<int32_t> dims;
  for (int d = 0; d < shape.rank(); ++d) {
    for (const int64_t number : {sizes[d], strides[d], dilations[d]})
      p.require(number >= 1 && number <= INT32_MAX, "a window of ", sizes[d], " in steps of ", strides[d],
                " with a dilation of ", dilations[d]);
    const int64_t extent = (sizes[d] - 1) * dilations[d] + 1;
    const int64_t outputs = shape[d] < extent ? 0 : (shape[d] - extent) / strides[d] + 1;
    dims.push_back(static_cast<int32_t>(outputs));
    w.outputs[d] = outputs;
    w.steps[d] = stride_of(shape, d) * strides[d];
    w.sizes[d] = sizes[d];
    w.strides[d] = stride_of(shape, d) * dilations[d];
  }
  const Shape output(dims);
  p.set_output(0, output);
  w.count = output.elements();
  return w;
}

Compute reduce_windows(const Preparation& p, const Windows& windows, Reduction reduction, int slot) {
  const DType dtype = p.input(0).dtype;
  p.require(p.output(0).dtype == dtype, "input is ", dtype_name(dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  p.require(p.input(1).dtype == dtype && p.input(1).shape.elements() == 1, "the initial value is ",
            dtype_name(p.input(1).dtype), p.input(1).shape.text(), ", not one ", dtype_name(dtype));
  if (dtype == DType::boolean) return run_bools(p, windows, reduction, slot);
  return dispatch<float, double, int8_t, uint8_t, int16_t, int32_t, int64_t>(
      p, dtype, [&](auto type) { return run_function<decltype(type)>(p, windows, reduction, slot); });
}

void register_windows(Registry& registry) {
  registry.add("DILATE", prepare_dilate);
  registry.add("REDUCE_WINDOW", prepare_reduce_window);
}

}  // namespace subgraft
