// STABLEHLO_SCATTER: windows of updates, each put or added where an index vector points.
#include <complex>
#include <cstring>

#include "kernels/dispatch.h"
#include "kernels/families.h"
#include "kernels/index_vectors.h"
#include "kernels/stablehlo_math.h"

namespace subgraft {
namespace {

using namespace stablehlo;

constexpr int kBatch = -1;  // a dimension of the updates that is one of the indices

struct Scatter {
  Starts starts;
  int64_t bytes = 0;                          // of the operand
  int rank = 0;                               // of the operand
  Indices sizes{}, steps{};                   // of the operand; steps: elements between neighbours
  int update_rank = 0;                        // dimensions of the updates, without those that make a row
  Indices updates{};                          // their sizes
  Indices vectors{};                          // of a batch dimension: index vectors between neighbours
  std::array<int, Shape::kMaxRank> target{};  // the operand's dimension, or kBatch
  int64_t rows = 0, row = 1;                  // row: updates that follow each other along row_target
  int row_target = kBatch;
};

// Where a row of updates goes: elements [begin, end) of it are inside of the operand, the first would be at `place`.
struct Row {
  int64_t place = 0, step = 0;
  int64_t begin = 0, end = 0;
};

Row row_at(const Scatter& s, const Invocation& v, const Indices& index) {
  int64_t vector = 0;
  for (int d = 0; d < s.update_rank; ++d) vector += s.target[d] == kBatch ? index[d] * s.vectors[d] : 0;
  Indices at = s.starts.read(v, vector);
  for (int d = 0; d < s.update_rank; ++d)
    if (s.target[d] != kBatch) at[s.target[d]] += index[d];
  Row row{.end = s.row};
  for (int d = 0; d < s.rank; ++d) {
    if (d == s.row_target) {
      row.step = s.steps[d];
      row.begin = std::max<int64_t>(0, -at[d]);
      row.end = std::min(row.end, s.sizes[d] - at[d]);
    } else if (at[d] < 0 || at[d] >= s.sizes[d]) {
      return {};
    }
  }
  if (row.begin >= row.end) return {};
  for (int d = 0; d < s.rank; ++d) row.place += at[d] * s.steps[d];
  return row;
}

// In the order of the updates: of two for one element the later one is applied later. What is outside is left out.
template <typename T, typename F>
void scatter(const Scatter& s, const Invocation& v, F f) {
  T* out = v.out<T>(0);
  if (v.out<std::byte>(0) != v.in<std::byte>(0)) std::memcpy(out, v.in<T>(0), static_cast<size_t>(s.bytes));
  const T* update = v.in<T>(2);
  Indices index{};
  for (int64_t i = 0; i < s.rows; ++i, update += s.row) {
    const Row row = row_at(s, v, index);
    for (int64_t k = row.begin; k < row.end; ++k) {
      T& element = out[row.place + k * row.step];
      element = f(element, update[k]);
    }
    for (int d = s.update_rank - 1; d >= 0 && ++index[d] == s.updates[d]; --d) index[d] = 0;
  }
}

template <typename T, typename F>
Compute run_scatter(const Scatter& s, F f) {
  return [s, f](const Invocation& v) { scatter<T>(s, v, f); };
}

template <typename F>
Compute run_arithmetic(const Preparation& p, const Scatter& s) {
  const DType dtype = p.input(0).dtype;
  if (dtype == DType::boolean) return run_scatter<uint8_t>(s, OfTruths<F>());
  if (dtype == DType::float16) return run_scatter<Half>(s, OfHalves<F>());
  return dispatch<float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(
      p, dtype, [&](auto type) { return run_scatter<decltype(type)>(s, F()); });
}

Compute run_update(const Preparation& p, const Scatter& s, int64_t element_bytes) {
  const auto second = [](auto, auto update) { return update; };
  switch (element_bytes) {
    case 1:
      return run_scatter<uint8_t>(s, second);
    case 2:
      return run_scatter<uint16_t>(s, second);
    case 4:
      return run_scatter<uint32_t>(s, second);
    case 8:
      return run_scatter<uint64_t>(s, second);
    case 16:
      return run_scatter<std::complex<double>>(s, second);
  }
  p.unsupported(p.name(), " of ", dtype_name(p.input(0).dtype));
}

// Which dimension of the operand each dimension of the updates walks along.
std::vector<int> targets_of(const Preparation& p) {
  const int operand_rank = p.input(0).shape.rank(), rank = p.input(2).shape.rank();
  const DimensionSet window = dimension_set(p, "update_window_dims", rank);
  const DimensionSet inserted = dimension_set(p, "inserted_window_dims", operand_rank);
  p.require(window.size() + inserted.size() == operand_rank, window.size(), " update_window_dims and ", inserted.size(),
            " inserted_window_dims for an input of rank ", operand_rank);
  std::vector<int> targets;
  int next = 0;
  for (int d = 0; d < rank; ++d) {
    if (!window.has(d)) {
      targets.push_back(kBatch);
      continue;
    }
    while (inserted.has(next)) ++next;
    targets.push_back(next++);
  }
  return targets;
}

void read_updates(const Preparation& p, Scatter& s) {
  const Shape& updates = p.input(2).shape;
  const std::vector<int> targets = targets_of(p);
  std::vector<int32_t> batch;
  for (int d = 0; d < updates.rank(); ++d)
    if (targets[static_cast<size_t>(d)] == kBatch) batch.push_back(updates[d]);
  p.require(batch == s.starts.batch(), "updates of shape ", updates.text(), " for indices of shape ",
            p.input(1).shape.text());
  if (updates.elements() == 0) return;
  s.starts.lay_out();
  s.update_rank = updates.rank();
  int64_t vectors = 1;
  for (int d = s.update_rank - 1; d >= 0; --d) {
    s.updates[d] = updates[d];
    s.target[d] = targets[static_cast<size_t>(d)];
    if (s.target[d] != kBatch) continue;
    s.vectors[d] = vectors;
    vectors *= updates[d];
  }
  if (s.update_rank > 0 && s.target[s.update_rank - 1] != kBatch) {
    s.row_target = s.target[--s.update_rank];
    s.row = updates[s.update_rank];
  }
  s.rows = updates.elements() / s.row;
}

Compute prepare_scatter(Preparation& p) {
  p.expect(3, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  p.require(p.input(2).dtype == p.input(0).dtype, "input is ", dtype_name(p.input(0).dtype), " but the updates are ",
            dtype_name(p.input(2).dtype));
  Scatter s{.starts = Starts(p, dimension_list(p, "scatter_dims_to_operand_dims", shape.rank()))};
  s.bytes = shape.elements() * element_bytes;
  s.rank = shape.rank();
  for (int d = 0; d < s.rank; ++d) {
    s.sizes[d] = shape[d];
    s.steps[d] = stride_of(shape, d);
  }
  read_updates(p, s);
  p.set_output(0, shape);
  p.share(0, 0);
  const std::string body = p.body(p.options().integer("update_computation_subgraph_index"));
  if (body.empty()) return run_update(p, s, element_bytes);
  if (body == "STABLEHLO_ADD") return run_arithmetic<Add>(p, s);
  if (body == "STABLEHLO_MULTIPLY") return run_arithmetic<Multiply>(p, s);
  if (body == "STABLEHLO_MAXIMUM") return run_arithmetic<Maximum>(p, s);
  if (body == "STABLEHLO_MINIMUM") return run_arithmetic<Minimum>(p, s);
  p.unsupported("a body of ", body);
}

}  // namespace

void register_hlo_scatter(Registry& registry) { registry.add("STABLEHLO_SCATTER", prepare_scatter); }

}  // namespace subgraft
