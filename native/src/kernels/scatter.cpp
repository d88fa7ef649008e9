// SCATTER_ND, SPARSE_TO_DENSE and DYNAMIC_UPDATE_SLICE: values put where indices say.
#include <algorithm>
#include <cstring>

#include "kernels/arithmetic_math.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

Shape read_shape(const Preparation& p, int i) {
  p.require(p.input(i).shape.rank() == 1, "the shape must be a vector, not ", p.input(i).shape.text());
  std::vector<int32_t> dims;
  for (const int64_t dim : p.integers(i)) {
    p.require(dim >= 0 && dim <= INT32_MAX, "the shape has dimension ", dim);
    dims.push_back(static_cast<int32_t>(dim));
  }
  return Shape(dims);
}

// Where `depth` indices point: an element of the output. They are checked one by one.
struct Place {
  int depth = 0;
  int64_t limits[Shape::kMaxRank] = {};
  int64_t strides[Shape::kMaxRank] = {};

  static Place in(const Shape& output, int depth) {
    Place place;
    place.depth = depth;
    for (int d = 0; d < depth; ++d) {
      place.limits[d] = output[d];
      place.strides[d] = stride_of(output, d);
    }
    return place;
  }

  template <typename Index>
  int64_t find(const Index* indices) const {
    int64_t at = 0;
    for (int d = 0; d < depth; ++d) {
      const int64_t index = indices[d];
      if (index < 0 || index >= limits[d])
        throw RunError(concat("index ", index, " is outside a dimension of ", limits[d]));
      at += index * strides[d];
    }
    return at;
  }
};

struct ScatterNd {
  Place place;
  int64_t slices = 0, slice = 0, outputs = 0;  // slice: elements of one
};

// Updates of one place add up.
template <typename T, typename Index>
Compute run_scatter_nd(const ScatterNd& s) {
  return [s](const Invocation& v) {
    T* out = v.out<T>(0);
    std::fill_n(out, s.outputs, T{0});
    for (int64_t i = 0; i < s.slices; ++i) {
      T* to = out + s.place.find(v.in<Index>(0) + i * s.place.depth);
      const T* from = v.in<T>(1) + i * s.slice;
      for (int64_t k = 0; k < s.slice; ++k) to[k] = wrapping_add(to[k], from[k]);
    }
  };
}

// A bool stays true; a file may hold any byte for it.
template <typename Index>
Compute run_scatter_of_bools(const ScatterNd& s) {
  return [s](const Invocation& v) {
    uint8_t* out = v.out<uint8_t>(0);
    std::fill_n(out, s.outputs, uint8_t{0});
    for (int64_t i = 0; i < s.slices; ++i) {
      uint8_t* to = out + s.place.find(v.in<Index>(0) + i * s.place.depth);
      const uint8_t* from = v.in<uint8_t>(1) + i * s.slice;
      for (int64_t k = 0; k < s.slice; ++k) to[k] |= from[k] != 0 ? 1 : 0;
    }
  };
}

Compute prepare_scatter_nd(Preparation& p) {
  p.expect(3, 1);
  const Shape &indices = p.input(0).shape, &updates = p.input(1).shape;
  const DType dtype = p.input(1).dtype;
  p.require(p.output(0).dtype == dtype, "updates are ", dtype_name(dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  const Shape output = read_shape(p, 2);
  p.require(indices.rank() >= 1 && indices.back(0) <= output.rank(), "indices of shape ", indices.text(),
            " for an output of shape ", output.text());
  const int depth = indices.back(0), outer = indices.rank() - 1;
  std::vector<int32_t> dims(indices.dims().begin(), indices.dims().end() - 1);
  dims.insert(dims.end(), output.dims().begin() + depth, output.dims().end());
  p.require(updates == Shape(dims), "updates of shape ", updates.text(), " for indices of shape ", indices.text(),
            " and an output of shape ", output.text());
  p.set_output(0, output);
  ScatterNd s;
  s.place = Place::in(output, depth);
  s.outputs = output.elements();
  if (updates.elements() > 0) {
    s.slices = indices.product(0, outer);
    s.slice = updates.product(outer, updates.rank());
  }
  return dispatch<int32_t, int64_t>(p, p.input(0).dtype, [&](auto index) {
    using Index = decltype(index);
    if (dtype == DType::boolean) return run_scatter_of_bools<Index>(s);
    return dispatch<float, int8_t, uint8_t, int32_t, int64_t>(
        p, dtype, [&](auto type) { return run_scatter_nd<decltype(type), Index>(s); });
  });
}

struct SparseToDense {
  Place place;
  int64_t count = 0, outputs = 0;
  bool is_single = false;  // one value for all
};

template <typename T, typename Index>
void sparse_to_dense(const SparseToDense& s, const Invocation& v) {
  T* out = v.out<T>(0);
  std::fill_n(out, s.outputs, *v.in<T>(3));
  for (int64_t i = 0; i < s.count; ++i)
    out[s.place.find(v.in<Index>(0) + i * s.place.depth)] = v.in<T>(2)[s.is_single ? 0 : i];
}

Compute prepare_sparse_to_dense(Preparation& p) {
  p.expect(4, 1);
  const Shape &indices = p.input(0).shape, &values = p.input(2).shape;
  const DType dtype = p.input(2).dtype;
  p.require(p.input(3).dtype == dtype && p.output(0).dtype == dtype, "values are ", dtype_name(dtype),
            ", but the default is ", dtype_name(p.input(3).dtype), " and output ", dtype_name(p.output(0).dtype));
  p.require(p.input(3).shape.elements() == 1, "the default must be one element, not ", p.input(3).shape.text());
  const Shape output = read_shape(p, 1);
  // One index each of a vector, or rows of indices.
  p.require(indices.rank() <= 2, "indices of shape ", indices.text());
  const int64_t depth = indices.rank() == 2 ? indices[1] : 1;
  p.require(depth == output.rank(), "indices of shape ", indices.text(), " for an output of shape ", output.text());
  SparseToDense s;
  s.count = indices.rank() == 0 ? 1 : indices[0];
  s.is_single = values.rank() == 0;
  p.require(s.is_single || values == Shape{static_cast<int32_t>(s.count)}, "values of shape ", values.text(), " for ",
            s.count, " indices");
  p.set_output(0, output);
  s.place = Place::in(output, output.rank());
  s.outputs = output.elements();
  return dispatch<float, int8_t, uint8_t, int32_t, int64_t>(p, dtype, [&](auto type) {
    using T = decltype(type);
    return dispatch<int32_t, int64_t>(p, p.input(0).dtype, [s](auto index) -> Compute {
      return [s](const Invocation& v) { sparse_to_dense<T, decltype(index)>(s, v); };
    });
  });
}

// The start is moved so that the whole update fits in.
template <typename Index>
Compute run_update(const Shape& shape, const Shape& update, const StridedCopy& slice, int64_t bytes) {
  return [shape, update, slice, bytes](const Invocation& v) {
    std::byte* out = v.out<std::byte>(0);
    if (out != v.in<std::byte>(0)) std::memcpy(out, v.in<std::byte>(0), static_cast<size_t>(bytes));
    int64_t offset = 0;
    for (int d = 0; d < shape.rank(); ++d) {
      const int64_t room = shape[d] - update[d];
      offset += std::clamp<int64_t>(v.in<Index>(2)[d], 0, room) * stride_of(shape, d);
    }
    StridedCopy copy = slice;
    copy.start_at(0, offset);
    v.parallel(copy.rows(), row_grain(copy.row_bytes()),
               [&](int64_t begin, int64_t end) { copy.copy_rows(v.in<std::byte>(1), out, begin, end); });
  };
}

Compute prepare_update(Preparation& p) {
  p.expect(3, 1);
  const Shape &shape = p.input(0).shape, &update = p.input(1).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  p.require(p.input(1).dtype == p.input(0).dtype, "input is ", dtype_name(p.input(0).dtype), " but the update is ",
            dtype_name(p.input(1).dtype));
  bool fits = update.rank() == shape.rank();
  for (int d = 0; fits && d < shape.rank(); ++d) fits = update[d] <= shape[d];
  p.require(fits, "an update of shape ", update.text(), " does not fit in ", shape.text());
  p.require(p.input(2).shape == Shape{shape.rank()}, "start indices of shape ", p.input(2).shape.text(), " for rank ",
            shape.rank());
  p.set_output(0, shape);
  p.share(0, 0);
  StridedCopy slice(element_bytes);
  for (int d = 0; d < shape.rank(); ++d) slice.add(update[d], stride_of(update, d), stride_of(shape, d));
  const int64_t bytes = shape.elements() * element_bytes;
  return dispatch<int32_t, int64_t>(
      p, p.input(2).dtype, [&](auto index) { return run_update<decltype(index)>(shape, update, slice, bytes); });
}

}  // namespace

void register_scatter(Registry& registry) {
  registry.add("SCATTER_ND", prepare_scatter_nd);
  registry.add("SPARSE_TO_DENSE", prepare_sparse_to_dense);
  registry.add("DYNAMIC_UPDATE_SLICE", prepare_update);
}

}  // namespace subgraft
