// Ops that move elements.
#include <algorithm>
#include <numeric>

#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

DType draw_moved_type(Random& random) { return random.pick({float32, int8, uint8, int16, int32, int64, boolean}); }

Dims draw_dims(Random& random, int64_t least_rank, int64_t most_rank = 5) {
  const int64_t rank = random.between(least_rank, most_rank), most = random.once_in(6) ? 200000 : 4000;
  int64_t elements = 1;
  Dims dims;
  for (int64_t i = 0; i < rank; ++i) {
    dims.insert(dims.begin(), random.size(std::clamp<int64_t>(most / elements, 1, 300)));
    elements *= dims[0];
  }
  if (random.once_in(60)) dims[static_cast<size_t>(random.below(rank))] = 0;
  return dims;
}

void draw_transpose(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = draw_moved_type(random);
  const Dims dims = draw_dims(random, 1, 6);
  std::vector<int32_t> order(dims.size());
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  m.add(op, {x, m.integers(order)}, {m.result(type, scales)});
}

void draw_concatenation(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, float32, int8, int8, uint8, int16, int32});
  Dims dims = draw_dims(random, 1, 4);
  const auto rank = static_cast<int64_t>(dims.size()), axis = random.once_in(2) ? rank - 1 : random.below(rank);
  const Scales scales = draw_scales(random, type);
  std::vector<int32_t> inputs;
  for (int64_t i = random.between(1, 5); i > 0; --i) {
    if (random.once_in(2)) dims[static_cast<size_t>(axis)] = random.size(40);
    const bool rescaled = (type == uint8) && random.once_in(2);
    const Scales own = rescaled ? draw_scales(random, type) : scales;
    inputs.push_back(random.once_in(6) ? m.constant(type, dims, own) : m.fed(type, dims, own));
    if (random.once_in(8) && i > 1) inputs.push_back(inputs.back());
  }
  m.add(op, inputs, {m.result(type, scales)}, {{"axis", static_cast<double>(random.once_in(2) ? axis : axis - rank)}});
}

void draw_pack(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int16, int32, int64});
  const Dims dims = draw_dims(random, 1, 4);
  const Scales scales = draw_scales(random, type);
  const int64_t count = random.between(1, 6), axis = random.below(static_cast<int64_t>(dims.size()) + 1);
  std::vector<int32_t> inputs;
  for (int64_t i = 0; i < count; ++i) inputs.push_back(m.fed(type, dims, scales));
  m.add(op, inputs, {m.result(type, scales)},
        {{"values_count", static_cast<double>(count)}, {"axis", static_cast<double>(axis)}});
}

// Pieces of the dimension `axis`.
std::vector<int32_t> results(DrawnModel& m, int64_t count, DType type, const Scales& scales) {
  std::vector<int32_t> outputs;
  for (int64_t i = 0; i < count; ++i) outputs.push_back(m.result(type, scales));
  return outputs;
}

void draw_unpack(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int16, int32, boolean});
  Dims dims = draw_dims(random, 1, 4);
  const auto axis = static_cast<size_t>(random.below(static_cast<int64_t>(dims.size())));
  dims[axis] = static_cast<int32_t>(random.between(1, 6));
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  m.add(op, {x}, results(m, dims[axis], type, scales), {{"num", dims[axis]}, {"axis", static_cast<double>(axis)}});
}

void draw_split(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int16, int32});
  Dims dims = draw_dims(random, 1, 4);
  const auto axis = static_cast<size_t>(random.below(static_cast<int64_t>(dims.size())));
  const int32_t count = static_cast<int32_t>(random.between(1, 5));
  dims[axis] = count * static_cast<int32_t>(random.between(1, 9));
  const Scales scales = draw_scales(random, type);
  const int where = m.integers({}, {static_cast<int32_t>(axis)});
  const int x = m.fed(type, dims, scales);
  m.add(op, {where, x}, results(m, count, type, scales), {{"num_splits", count}});
}

void draw_split_v(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int16, int32});
  Dims dims = draw_dims(random, 1, 4);
  const auto axis = static_cast<size_t>(random.below(static_cast<int64_t>(dims.size())));
  std::vector<int32_t> sizes(static_cast<size_t>(random.between(1, 5)));
  for (int32_t& size : sizes) size = static_cast<int32_t>(random.between(0, 9));
  dims[axis] = std::accumulate(sizes.begin(), sizes.end(), 0);
  if (random.once_in(4)) sizes[static_cast<size_t>(random.below(static_cast<int64_t>(sizes.size())))] = -1;
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  const int pieces = m.integers(sizes), where = m.integers({}, {static_cast<int32_t>(axis)});
  const auto count = static_cast<int64_t>(sizes.size());
  m.add(op, {x, pieces, where}, results(m, count, type, scales), {{"num_splits", static_cast<double>(count)}});
}

void draw_slice(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = draw_moved_type(random);
  const Dims dims = draw_dims(random, 1);
  std::vector<int32_t> begin, size;
  for (const int32_t dim : dims) {
    begin.push_back(random.once_in(2) ? 0 : static_cast<int32_t>(random.between(0, dim)));
    size.push_back(random.once_in(3) ? -1 : static_cast<int32_t>(random.between(0, dim - begin.back())));
  }
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  m.add(op, {x, m.integers(begin), m.integers(size)}, {m.result(type, scales)});
}

void draw_strided_slice(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = draw_moved_type(random);
  const Dims dims = draw_dims(random, 1);
  std::vector<int32_t> begin, end, strides;
  int64_t shrunk = 0;
  for (size_t i = 0; i < dims.size(); ++i) {
    strides.push_back(random.once_in(2) ? 1 : random.pick({2, 3, -1, -2}));
    begin.push_back(static_cast<int32_t>(random.between(-dims[i], dims[i])));
    end.push_back(static_cast<int32_t>(random.between(-dims[i] - 1, dims[i] + 1)));
    if (random.once_in(8) && dims[i] > 0) {
      shrunk |= int64_t{1} << i;
      begin[i] = static_cast<int32_t>(random.below(dims[i]));
      end[i] = begin[i] + 1;
      strides[i] = 1;
    }
  }
  const auto mask = [&] { return static_cast<double>(random.below(32) & ~shrunk & random.below(32)); };
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  m.add(op, {x, m.integers(begin), m.integers(end), m.integers(strides)}, {m.result(type, scales)},
        {{"begin_mask", mask()}, {"end_mask", mask()}, {"shrink_axis_mask", static_cast<double>(shrunk)}});
}

void draw_pad(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = op == "MIRROR_PAD" ? random.pick({float32, int8, uint8, int16, int32})
                                        : random.pick({float32, int8, uint8, int16, int32, boolean});
  const Dims dims = draw_dims(random, 1, op == "MIRROR_PAD" ? 4 : 5);
  const bool reflects = random.once_in(2);
  std::vector<int32_t> paddings;
  for (const int32_t dim : dims)
    for (int side = 0; side < 2; ++side) {
      const int32_t most = op == "MIRROR_PAD" ? std::max(0, reflects ? dim - 1 : dim) : 5;
      paddings.push_back(random.once_in(2) ? 0 : static_cast<int32_t>(random.between(0, std::min(most, 5))));
    }
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  std::vector<int32_t> inputs = {x, m.integers({static_cast<int32_t>(dims.size()), 2}, paddings)};
  if (op == "PADV2") inputs.push_back(m.constant(type, {1}, scales));
  m.add(op, inputs, {m.result(type, scales)}, {{"mode", reflects ? 0 : 1}});
}

void draw_gather(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = draw_moved_type(random);
  const Dims dims = draw_dims(random, 1, 4);
  const int64_t axis = random.below(static_cast<int64_t>(dims.size()));
  const int64_t batch_dims = random.once_in(4) ? random.below(axis + 1) : 0;
  Dims places(dims.begin(), dims.begin() + batch_dims);
  for (int64_t i = random.below(3); i > 0; --i) places.push_back(random.size(12));
  const int32_t most = std::max(dims[static_cast<size_t>(axis)] - 1, 0);
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales), indices = m.fed_between(random.pick({int32, int64}), places, 0, most);
  m.add(op, {x, indices}, {m.result(type, scales)},
        {{"axis", static_cast<double>(axis)}, {"batch_dims", static_cast<double>(batch_dims)}});
}

void draw_tile(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int32, int64, boolean});
  const Dims dims = draw_dims(random, 1, 4);
  std::vector<int32_t> times;
  for (size_t i = 0; i < dims.size(); ++i)
    times.push_back(random.once_in(2) ? 1 : static_cast<int32_t>(random.between(0, 3)));
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  m.add(op, {x, m.integers(times)}, {m.result(type, scales)});
}

void draw_depth(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int32});
  const int32_t block = static_cast<int32_t>(random.between(1, 4)), h = random.size(9), w = random.size(9);
  const int32_t c = random.size(24), batches = static_cast<int32_t>(random.between(1, 2));
  const bool to_depth = op == "SPACE_TO_DEPTH";
  const Scales scales = draw_scales(random, type);
  const int x =
      m.fed(type, to_depth ? Dims{batches, h * block, w * block, c} : Dims{batches, h, w, c * block * block}, scales);
  m.add(op, {x}, {m.result(type, scales)}, {{"block_size", block}});
}

constexpr Draw kDraws[] = {
    {"TRANSPOSE", draw_transpose},
    {"CONCATENATION", draw_concatenation},
    {"PACK", draw_pack},
    {"UNPACK", draw_unpack},
    {"SPLIT", draw_split},
    {"SPLIT_V", draw_split_v},
    {"SLICE", draw_slice},
    {"STRIDED_SLICE", draw_strided_slice},
    {"PAD", draw_pad},
    {"PADV2", draw_pad},
    {"MIRROR_PAD", draw_pad},
    {"GATHER", draw_gather},
    {"TILE", draw_tile},
    {"SPACE_TO_DEPTH", draw_depth},
    {"DEPTH_TO_SPACE", draw_depth},
};

}  // namespace

std::span<const Draw> movement_draws() { return kDraws; }

}  // namespace subgraft::compare
