// WHERE, UNIQUE, TOPK_V2 and BUCKETIZE: where values are, and in which order.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/dispatch.h"
#include "kernels/families.h"
#include "kernels/map.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

// A bool of a file may be any byte.
template <typename T>
using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;

Compute prepare_where(Preparation& p) {
  p.expect(1, 1);
  p.require(p.output(0).dtype == DType::int64, "output is ", dtype_name(p.output(0).dtype), ", not int64");
  const Shape shape = p.input(0).shape;
  return dispatch<bool, float, int8_t, uint8_t, int32_t, uint32_t, int64_t>(
      p, p.input(0).dtype, [&](auto type) -> Compute {
        using T = Stored<decltype(type)>;
        const auto* values = reinterpret_cast<const T*>(p.value<decltype(type)>(0).data());
        const int64_t count = shape.elements();
        const int64_t found = std::count_if(values, values + count, [](T x) { return x != T{0}; });
        p.require(found <= INT32_MAX, found, " elements are not zero");
        p.set_output(0, Shape{static_cast<int32_t>(found), shape.rank()});
        return [shape, count](const Invocation& v) {
          const T* in = v.in<T>(0);
          int64_t* out = v.out<int64_t>(0);
          for (int64_t i = 0; i < count; ++i) {
            if (in[i] == T{0}) continue;
            int64_t rest = i;
            for (int d = shape.rank() - 1; d >= 0; --d) {
              out[d] = rest % shape[d];
              rest /= shape[d];
            }
            out += shape.rank();
          }
        };
      });
}

// Which distinct value each element is, numbered in the order of their first appearance. NaNs all differ.
template <typename T, typename Index>
void find_unique(std::span<const T> values, std::vector<T>& distinct, std::vector<Index>& numbers) {
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  const auto is_nan = [](T x) { return x != x; };
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const T x = values[a], y = values[b];
    if (is_nan(x) || is_nan(y)) return is_nan(x) == is_nan(y) ? a < b : is_nan(y);
    return x == y ? a < b : x < y;
  });
  std::vector<int64_t> first(values.size());  // the first element that equals this one
  for (size_t i = 0; i < order.size(); ++i) {
    const bool same = i > 0 && values[order[i]] == values[order[i - 1]];
    first[order[i]] = same ? first[order[i - 1]] : order[i];
  }
  numbers.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (first[i] == static_cast<int64_t>(i)) {
      numbers[i] = static_cast<Index>(distinct.size());
      distinct.push_back(values[i]);
    } else {
      numbers[i] = numbers[first[i]];
    }
  }
}

// The result is there with its size, so it is published, and there is nothing to compute.
Compute prepare_unique(Preparation& p) {
  p.expect(1, 2);
  p.require(p.input(0).shape.rank() == 1, "input must be a vector, not ", p.input(0).shape.text());
  p.require(p.output(0).dtype == p.input(0).dtype, "input is ", dtype_name(p.input(0).dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  return dispatch<float, int8_t, uint8_t, int16_t, int32_t, int64_t>(p, p.input(0).dtype, [&](auto type) {
    using T = decltype(type);
    return dispatch<int32_t, int64_t>(p, p.output(1).dtype, [&](auto index) -> Compute {
      using Index = decltype(index);
      std::vector<T> distinct;
      std::vector<Index> numbers;
      find_unique(p.value<T>(0), distinct, numbers);
      p.set_output(0, Shape{static_cast<int32_t>(distinct.size())});
      p.set_output(1, p.input(0).shape);
      p.publish(0, distinct.data(), static_cast<int64_t>(distinct.size() * sizeof(T)));
      p.publish(1, numbers.data(), static_cast<int64_t>(numbers.size() * sizeof(Index)));
      return [](const Invocation&) {};
    });
  });
}

struct TopK {
  int64_t rows = 0, row = 0, k = 0;
};

// The indices of the k largest, largest first; the first of equal ones wins, and NaN is the smallest of all.
template <typename T, typename Index>
void top_of_row(const TopK& top, const T* in, T* values, Index* indices) {
  const auto precedes = [in](Index a, Index b) {
    const T x = in[a], y = in[b];
    if (x != x || y != y) return (x != x) == (y != y) ? a < b : y != y;
    return x == y ? a < b : x > y;
  };
  std::iota(indices, indices + top.k, Index{0});
  std::make_heap(indices, indices + top.k, precedes);  // the last of them is in front
  for (int64_t i = top.k; i < top.row; ++i) {
    if (!precedes(static_cast<Index>(i), indices[0])) continue;
    std::pop_heap(indices, indices + top.k, precedes);
    indices[top.k - 1] = static_cast<Index>(i);
    std::push_heap(indices, indices + top.k, precedes);
  }
  std::sort_heap(indices, indices + top.k, precedes);
  std::transform(indices, indices + top.k, values, [in](Index i) { return in[i]; });
}

int64_t read_k(const Preparation& p) {
  p.require(p.input(1).shape.elements() == 1, "k must be one number, not ", p.input(1).shape.text());
  return p.input(1).dtype == DType::int16 ? p.value<int16_t>(1)[0] : p.integers(1)[0];
}

Compute prepare_top_k(Preparation& p) {
  p.expect(2, 2);
  const Shape& shape = p.input(0).shape;
  p.require(shape.rank() >= 1, "input is a scalar");
  p.require(p.output(0).dtype == p.input(0).dtype, "input is ", dtype_name(p.input(0).dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  TopK top;
  top.k = std::max<int64_t>(0, read_k(p));
  top.row = shape.back(0);
  p.require(top.k <= top.row, "k is ", top.k, ", but rows have ", top.row, " elements");
  const Shape output = shape.with(shape.rank() - 1, static_cast<int32_t>(top.k));
  p.set_output(0, output);
  p.set_output(1, output);
  top.rows = output.elements() / std::max<int64_t>(1, top.k);
  if (p.output(1).dtype == DType::int16)
    p.require(top.rows == 0 || top.row <= INT16_MAX, "rows of ", top.row, " elements have no indices of int16");
  return dispatch<float, int8_t, uint8_t, int16_t, int32_t, int64_t>(p, p.input(0).dtype, [&](auto type) {
    using T = decltype(type);
    return dispatch<int32_t, int16_t>(p, p.output(1).dtype, [&](auto index) -> Compute {
      using Index = decltype(index);
      return [top](const Invocation& v) {
        v.parallel(top.rows, std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, top.row)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i)
                       top_of_row(top, v.in<T>(0) + i * top.row, v.out<T>(0) + i * top.k, v.out<Index>(1) + i * top.k);
                   });
      };
    });
  });
}

// How many boundaries are at most x.
Compute prepare_bucketize(Preparation& p) {
  p.expect(1, 1);
  p.require(p.output(0).dtype == DType::int32, "output is ", dtype_name(p.output(0).dtype), ", not int32");
  const auto option = p.options().reals("boundaries");
  std::vector<float> boundaries(option.begin(), option.end());
  p.require(std::is_sorted(boundaries.begin(), boundaries.end()), "the boundaries are not in ascending order");
  p.set_output(0, p.input(0).shape);
  const int64_t count = p.input(0).shape.elements();
  return dispatch<float, double, int32_t, int64_t>(p, p.input(0).dtype, [&](auto type) {
    using T = decltype(type);
    return map<T, int32_t>(count, [boundaries](T x) {
      const auto above = std::upper_bound(boundaries.begin(), boundaries.end(), x,
                                          [](T value, float boundary) { return value < boundary; });
      return static_cast<int32_t>(above - boundaries.begin());
    });
  });
}

}  // namespace

void register_search(Registry& registry) {
  registry.add("WHERE", prepare_where);
  registry.add("UNIQUE", prepare_unique);
  registry.add("TOPK_V2", prepare_top_k);
  registry.add("BUCKETIZE", prepare_bucketize);
}

}  // namespace subgraft
