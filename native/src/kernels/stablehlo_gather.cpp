// STABLEHLO_GATHER: slices of a tensor, each where an index vector points.
#include "kernels/families.h"
#include "kernels/index_vectors.h"

namespace subgraft {
namespace {

struct Slices {
  Starts starts;
  int64_t count = 0;          // of index vectors
  int rank = 0;               // of the operand
  Indices limits{}, steps{};  // of starts, so that a slice fits in; elements between neighbours
  // The dimensions of the output that are those of the indices, from the last one.
  int batch_rank = 0;
  Indices batch{}, batch_steps{};
  StridedCopy copy;
};

int64_t place_of(const Slices& s, int64_t vector) {
  int64_t place = 0;
  for (int d = 0; d < s.batch_rank; ++d) {
    place += vector % s.batch[d] * s.batch_steps[d];
    vector /= s.batch[d];
  }
  return place;
}

void gather(const Slices& s, const Invocation& v, int64_t begin, int64_t end) {
  StridedCopy copy = s.copy;
  for (int64_t i = begin; i < end; ++i) {
    const Indices start = s.starts.read(v, i);
    int64_t from = 0;
    for (int d = 0; d < s.rank; ++d) from += std::clamp<int64_t>(start[d], 0, s.limits[d]) * s.steps[d];
    copy.start_at(from, place_of(s, i));
    copy.copy_rows(v.in<std::byte>(0), v.out<std::byte>(0), 0, copy.rows());
  }
}

// The sizes of the slices; those of collapsed dimensions, which the output lacks, are 1.
std::vector<int32_t> slice_sizes(const Preparation& p, DimensionSet collapsed) {
  const Shape& shape = p.input(0).shape;
  const auto given = p.options().integers("slice_sizes");
  p.require(given.size() == static_cast<size_t>(shape.rank()), given.size(), " slice_sizes for input of shape ",
            shape.text());
  std::vector<int32_t> sizes;
  for (int d = 0; d < shape.rank(); ++d) {
    p.require(given[d] >= 0 && given[d] <= shape[d], "slices of ", given[d], " of a dimension of ", shape[d]);
    p.require(!collapsed.has(d) || given[d] == 1, "slices of ", given[d], " of dimension ", d, ", which is collapsed");
    sizes.push_back(static_cast<int32_t>(given[d]));
  }
  return sizes;
}

Compute prepare_gather(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  const DimensionSet collapsed = dimension_set(p, "collapsed_slice_dims", shape.rank());
  const std::vector<int32_t> sizes = slice_sizes(p, collapsed);
  Slices s{.starts = Starts(p, dimension_list(p, "start_index_map", shape.rank())), .copy = StridedCopy(element_bytes)};
  const std::vector<int32_t>& batch = s.starts.batch();
  const int kept = shape.rank() - collapsed.size(), rank = kept + static_cast<int>(batch.size());
  p.require(rank <= Shape::kMaxRank, "an output of rank ", rank);
  const DimensionSet offsets = dimension_set(p, "offset_dims", rank);
  p.require(offsets.size() == kept, offsets.size(), " offset_dims for slices of rank ", kept);

  std::vector<int> from;  // the operand's dimension of each offset dimension
  for (int d = 0; d < shape.rank(); ++d)
    if (!collapsed.has(d)) from.push_back(d);
  std::vector<int32_t> dims;
  size_t next_slice = 0, next_batch = 0;
  for (int d = 0; d < rank; ++d)
    dims.push_back(offsets.has(d) ? sizes[static_cast<size_t>(from[next_slice++])] : batch[next_batch++]);
  const Shape output(dims);
  p.set_output(0, output);
  if (output.elements() == 0) return [](const Invocation&) {};

  s.starts.lay_out();
  s.count = 1;
  for (const int32_t dim : batch) s.count *= dim;
  s.rank = shape.rank();
  for (int d = 0; d < s.rank; ++d) {
    s.limits[d] = shape[d] - sizes[static_cast<size_t>(d)];
    s.steps[d] = stride_of(shape, d);
  }
  for (int d = rank - 1; d >= 0; --d) {
    if (offsets.has(d)) continue;
    s.batch[s.batch_rank] = output[d];
    s.batch_steps[s.batch_rank++] = stride_of(output, d);
  }
  next_slice = 0;
  for (int d = 0; d < rank; ++d)
    if (offsets.has(d)) s.copy.add(output[d], stride_of(shape, from[next_slice++]), stride_of(output, d));
  const int64_t grain = row_grain(s.copy.rows() * s.copy.row_bytes());
  return [s, grain](const Invocation& v) {
    v.parallel(s.count, grain, [&](int64_t begin, int64_t end) { gather(s, v, begin, end); });
  };
}

}  // namespace

void register_hlo_gather(Registry& registry) { registry.add("STABLEHLO_GATHER", prepare_gather); }

}  // namespace subgraft
