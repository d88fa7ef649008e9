// SEGMENT_SUM and UNSORTED_SEGMENT_SUM, _PROD, _MAX and _MIN: rows reduced to one for each number they bear.
#include <algorithm>
#include <limits>

#include "kernels/arithmetic_math.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"

namespace subgraft {
namespace {

struct Segments {
  int64_t rows = 0, row = 0, segments = 0;  // row: elements of one
};

// F::initial<T>() is what a segment without rows gets; F()(so far, x) what becomes of it.
template <typename F, typename T>
void reduce_rows(const Segments& s, const Invocation& v) {
  const int32_t* ids = v.in<int32_t>(1);
  T* out = v.out<T>(0);
  std::fill_n(out, s.segments * s.row, F::template initial<T>());
  for (int64_t i = 0; i < s.rows; ++i) {
    if (ids[i] < 0) continue;
    if (ids[i] >= s.segments) throw RunError(concat("row ", i, " is of segment ", ids[i], " of ", s.segments));
    const T* in = v.in<T>(0) + i * s.row;
    T* to = out + ids[i] * s.row;
    for (int64_t k = 0; k < s.row; ++k) to[k] = F()(to[k], in[k]);
  }
}

struct Sum {
  template <typename T>
  static T initial() {
    return 0;
  }
  template <typename T>
  T operator()(T so_far, T x) const {
    return wrapping_add(so_far, x);
  }
};

struct Product {
  template <typename T>
  static T initial() {
    return 1;
  }
  template <typename T>
  T operator()(T so_far, T x) const {
    return wrapping_multiply(so_far, x);
  }
};

struct Largest {
  template <typename T>
  static T initial() {
    return std::numeric_limits<T>::lowest();
  }
  template <typename T>
  T operator()(T so_far, T x) const {
    return std::max(so_far, x);
  }
};

struct Smallest {
  template <typename T>
  static T initial() {
    return std::numeric_limits<T>::max();
  }
  template <typename T>
  T operator()(T so_far, T x) const {
    return std::min(so_far, x);
  }
};

template <typename F>
Compute run_segments(const Preparation& p, const Segments& s) {
  return dispatch<float, int32_t>(p, p.input(0).dtype, [s](auto type) -> Compute {
    return [s](const Invocation& v) { reduce_rows<F, decltype(type)>(s, v); };
  });
}

void require_types(const Preparation& p) {
  p.require(p.output(0).dtype == p.input(0).dtype, "input is ", dtype_name(p.input(0).dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  if (p.input(1).dtype != DType::int32) p.unsupported("segments of ", dtype_name(p.input(1).dtype));
}

// The segments' numbers start at 0 and grow by 0 or 1.
Compute prepare_segment_sum(Preparation& p) {
  p.expect(2, 1);
  require_types(p);
  const Shape& shape = p.input(0).shape;
  p.require(shape.rank() >= 1 && p.input(1).shape == Shape{shape[0]}, "segments of shape ", p.input(1).shape.text(),
            " for rows of ", shape.text());
  const auto ids = p.value<int32_t>(1);
  int32_t next = 0;
  for (const int32_t id : ids) {
    p.require(id == next || (id == next - 1 && next > 0), "segment ", id, " follows on ", next - 1);
    next = id + 1;
  }
  const Shape output = shape.with(0, next);
  p.set_output(0, output);
  Segments s;
  s.segments = next;
  if (shape.elements() > 0) {
    s.rows = shape[0];
    s.row = shape.elements() / shape[0];
  }
  return run_segments<Sum>(p, s);
}

// Rows are as large as the dimensions that the segments' numbers lack; those with a negative number do not count.
template <typename F>
Compute prepare_unsorted(Preparation& p) {
  p.expect(3, 1);
  require_types(p);
  const Shape &shape = p.input(0).shape, &ids = p.input(1).shape;
  bool fits = ids.rank() <= shape.rank();
  for (int d = 0; fits && d < ids.rank(); ++d) fits = ids[d] == shape[d];
  p.require(fits, "segments of shape ", ids.text(), " for input of shape ", shape.text());
  const auto count = p.value<int32_t>(2);
  p.require(count.size() == 1 && count[0] >= 0, "the number of segments must be one, of 0 or more");
  std::vector<int32_t> dims{count[0]};
  dims.insert(dims.end(), shape.dims().begin() + ids.rank(), shape.dims().end());
  const Shape output(dims);
  p.set_output(0, output);
  Segments s;
  s.segments = count[0];
  if (output.elements() > 0) s.row = output.elements() / count[0];
  s.rows = shape.elements() > 0 ? ids.elements() : 0;
  return run_segments<F>(p, s);
}

}  // namespace

void register_segments(Registry& registry) {
  registry.add("SEGMENT_SUM", prepare_segment_sum);
  registry.add("UNSORTED_SEGMENT_SUM", prepare_unsorted<Sum>);
  registry.add("UNSORTED_SEGMENT_PROD", prepare_unsorted<Product>);
  registry.add("UNSORTED_SEGMENT_MAX", prepare_unsorted<Largest>);
  registry.add("UNSORTED_SEGMENT_MIN", prepare_unsorted<Smallest>);
}

}  // namespace subgraft
