// GATHER and GATHER_ND.
#include <algorithm>
#include <cstring>

#include "core/sub_byte.h"
#include "kernels/families.h"
#include "kernels/movement.h"
#include "kernels/pick_rows.h"

namespace subgraft {
namespace {

// Calls work with a null pointer of the index type.
template <typename Work>
auto with_index_type(const Preparation& p, DType dtype, Work&& work) {
  if (dtype == DType::int32) return work(static_cast<int32_t*>(nullptr));
  if (dtype == DType::int64) return work(static_cast<int64_t*>(nullptr));
  if (dtype == DType::int16) return work(static_cast<int16_t*>(nullptr));
  p.unsupported("indices of ", dtype_name(dtype));
}

// The first index outside [0, limit), or null. Index i is compared with limits[i % depth].
template <typename Index>
const Index* find_outside_of(const Index* indices, int64_t count, const int64_t* limits, int depth) {
  if (depth == 1) return find_outside(indices, count, limits[0]);
  for (int64_t i = 0; i < count; i += depth)
    for (int d = 0; d < depth; ++d)
      if (indices[i + d] < 0 || indices[i + d] >= limits[d]) return indices + i + d;
  return nullptr;
}

struct Gather {
  int64_t batches = 1, outer = 1, picks = 1;  // picks: indices of one batch
  int64_t limit = 0, slice_bytes = 0;
  int64_t slice_elements = 0;  // where they are no whole bytes
  int element_bits = 0;

  int64_t slices() const { return batches * outer * picks; }
  // Where slice i of the output is among those of the input.
  template <typename Index>
  int64_t source(const Index* indices, int64_t i) const {
    const int64_t row = i / picks;  // of batches x outer
    return row * limit + static_cast<int64_t>(indices[row / outer * picks + i % picks]);
  }
};

// Slices [begin, end) of the output, run by run of those that one row of the input holds.
template <typename Index>
void gather(const Gather& g, const std::byte* in, const Index* indices, std::byte* out, int64_t begin, int64_t end) {
  for (int64_t row = begin / g.picks; begin < end; ++row) {
    const int64_t first = begin - row * g.picks, count = std::min(g.picks - first, end - begin);
    pick_rows(in + row * g.limit * g.slice_bytes, g.slice_bytes, indices + row / g.outer * g.picks + first, count,
              out + begin * g.slice_bytes);
    begin += count;
  }
}

// On one thread: neighbouring slices share a byte.
template <typename Index>
void gather_packed(const Gather& g, const std::byte* in, const Index* indices, std::byte* out) {
  for (int64_t i = 0; i < g.slices(); ++i) {
    const int64_t source = g.source(indices, i) * g.slice_elements;
    for (int64_t k = 0; k < g.slice_elements; ++k)
      copy_packed(in, source + k, out, i * g.slice_elements + k, g.element_bits);
  }
}

template <typename Index>
Compute make_gather(const Preparation& p, const Gather& g) {
  const int64_t indices = g.batches * g.picks;
  if (p.input(1).is_constant()) {
    const auto* wrong = find_outside(reinterpret_cast<const Index*>(p.input(1).constant), indices, g.limit);
    p.require(!wrong, "index ", wrong ? *wrong : 0, " is outside a dimension of ", g.limit);
  }
  const bool checked = p.input(1).is_constant();
  return [g, indices, checked](const Invocation& v) {
    const Index* index = v.in<Index>(1);
    if (!checked) {
      if (const Index* wrong = find_outside(index, indices, g.limit))
        throw RunError(concat("GATHER: index ", *wrong, " is outside a dimension of ", g.limit));
    }
    if (g.slice_elements > 0) {
      gather_packed(g, v.in<std::byte>(0), index, v.out<std::byte>(0));
      return;
    }
    v.parallel(g.slice_bytes > 0 ? g.slices() : 0, row_grain(g.slice_bytes), [&](int64_t begin, int64_t end) {
      gather(g, v.in<std::byte>(0), index, v.out<std::byte>(0), begin, end);
    });
  };
}

Compute prepare_gather(Preparation& p) {
  p.expect(2, 1);
  const Shape &values = p.input(0).shape, &indices = p.input(1).shape;
  const int element_bits = moved_bits(p, p.input(0), p.output(0));
  const int axis = checked_axis(p, p.options().integer("axis"), values.rank());
  int64_t batch_dims = p.options().integer("batch_dims");
  if (batch_dims < 0) batch_dims += indices.rank();
  p.require(batch_dims >= 0 && batch_dims <= axis && batch_dims <= indices.rank(), "batch_dims ",
            p.options().integer("batch_dims"), " with axis ", axis, " and indices of shape ", indices.text());
  const int batch = static_cast<int>(batch_dims);
  std::vector<int32_t> dims;
  for (int i = 0; i < axis; ++i) {
    p.require(i >= batch || values[i] == indices[i], "batch dimensions of ", values.text(), " and ", indices.text(),
              " differ");
    dims.push_back(values[i]);
  }
  for (int i = batch; i < indices.rank(); ++i) dims.push_back(indices[i]);
  for (int i = axis + 1; i < values.rank(); ++i) dims.push_back(values[i]);
  const Shape output(dims);
  p.set_output(0, output);

  Gather g;
  g.limit = values[axis];
  g.element_bits = element_bits;
  if (indices.elements() > 0) {
    g.batches = indices.product(0, batch);
    g.picks = indices.product(batch, indices.rank());
  } else {
    g.picks = 0;
  }
  if (output.elements() > 0) {
    g.outer = values.product(batch, axis);
    const int64_t elements = stride_of(values, axis);
    if (elements * element_bits % 8 == 0)
      g.slice_bytes = elements * element_bits / 8;
    else
      g.slice_elements = elements;
  }
  return with_index_type(p, p.input(1).dtype,
                         [&](auto* type) { return make_gather<std::remove_pointer_t<decltype(type)>>(p, g); });
}

struct GatherNd {
  int64_t slices = 0, slice_bytes = 0;
  int depth = 0;  // indices of one slice
  int64_t limits[Shape::kMaxRank] = {};
  int64_t strides[Shape::kMaxRank] = {};  // in bytes
};

template <typename Index>
void gather_nd(const GatherNd& g, const std::byte* in, const Index* indices, std::byte* out, int64_t begin,
               int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    int64_t at = 0;
    for (int d = 0; d < g.depth; ++d) at += indices[i * g.depth + d] * g.strides[d];
    std::memcpy(out + i * g.slice_bytes, in + at, g.slice_bytes);
  }
}

template <typename Index>
Compute make_gather_nd(const Preparation& p, const GatherNd& g) {
  const bool checked = p.input(1).is_constant();
  if (checked && g.depth > 0) {
    const auto* all = reinterpret_cast<const Index*>(p.input(1).constant);
    const auto* wrong = find_outside_of(all, g.slices * g.depth, g.limits, g.depth);
    p.require(!wrong, "index ", wrong ? *wrong : 0, " is outside the input's shape ", p.input(0).shape.text());
  }
  return [g, checked](const Invocation& v) {
    const Index* indices = v.in<Index>(1);
    if (!checked && g.depth > 0) {
      if (const Index* wrong = find_outside_of(indices, g.slices * g.depth, g.limits, g.depth))
        throw RunError(
            concat("GATHER_ND: index ", *wrong, " is outside a dimension of ", g.limits[(wrong - indices) % g.depth]));
    }
    v.parallel(g.slice_bytes > 0 ? g.slices : 0, row_grain(g.slice_bytes), [&](int64_t begin, int64_t end) {
      gather_nd(g, v.in<std::byte>(0), indices, v.out<std::byte>(0), begin, end);
    });
  };
}

Compute prepare_gather_nd(Preparation& p) {
  p.expect(2, 1);
  const Shape &values = p.input(0).shape, &indices = p.input(1).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  p.require(values.rank() >= 1 && indices.rank() >= 1, "input of shape ", values.text(), " and indices of shape ",
            indices.text());
  GatherNd g;
  p.require(indices.back(0) <= values.rank(), "indices of shape ", indices.text(), " for input of shape ",
            values.text());
  g.depth = indices.back(0);
  std::vector<int32_t> dims(indices.dims().begin(), indices.dims().end() - 1);
  dims.insert(dims.end(), values.dims().begin() + g.depth, values.dims().end());
  const Shape output(dims);
  p.set_output(0, output);

  for (int i = 0; i < g.depth; ++i) {
    g.limits[i] = values[i];
    g.strides[i] = stride_of(values, i) * element_bytes;
  }
  // The indices of an empty output are checked too, where there are any.
  if (g.depth > 0) {
    g.slices = indices.elements() / g.depth;
  } else if (output.elements() > 0) {
    g.slices = indices.product(0, indices.rank() - 1);
  }
  if (output.elements() > 0) g.slice_bytes = values.product(g.depth, values.rank()) * element_bytes;
  return with_index_type(p, p.input(1).dtype,
                         [&](auto* type) { return make_gather_nd<std::remove_pointer_t<decltype(type)>>(p, g); });
}

}  // namespace

void register_gather(Registry& registry) {
  registry.add("GATHER", prepare_gather);
  registry.add("GATHER_ND", prepare_gather_nd);
}

}  // namespace subgraft
