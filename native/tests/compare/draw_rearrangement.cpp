// Ops that put elements elsewhere: blocks, broadcasts, indices, cumulative sums.
#include <algorithm>
#include <numeric>

#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

Dims draw_dims(Random& random, int64_t least_rank, int64_t most_rank) {
  const int64_t rank = random.between(least_rank, most_rank), most = random.once_in(6) ? 100000 : 3000;
  int64_t elements = 1;
  Dims dims;
  for (int64_t i = 0; i < rank; ++i) {
    dims.insert(dims.begin(), random.size(std::clamp<int64_t>(most / elements, 1, 200)));
    elements *= dims[0];
  }
  if (random.once_in(60)) dims[static_cast<size_t>(random.below(rank))] = 0;
  return dims;
}

int32_t number(Random& random, int64_t low, int64_t high) { return static_cast<int32_t>(random.between(low, high)); }

void draw_space_to_batch(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int32});
  const int32_t block_y = number(random, 1, 3), block_x = number(random, 1, 4);
  std::vector<int32_t> paddings;
  Dims dims = {number(random, 1, 3), 0, 0, random.size(40)};
  for (const int axis : {1, 2}) {
    const int32_t block = axis == 1 ? block_y : block_x, before = number(random, 0, 3);
    const int32_t padded = block * random.size(9), size = std::max(1, padded - before - number(random, 0, 3));
    dims[static_cast<size_t>(axis)] = size;
    const int32_t whole = (before + size + block - 1) / block * block;
    paddings.insert(paddings.end(), {before, whole - before - size});
  }
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  m.add(op, {x, m.integers({block_y, block_x}), m.integers({2, 2}, paddings)}, {m.result(type, scales)});
}

void draw_batch_to_space(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int32});
  const int32_t block_y = number(random, 1, 3), block_x = number(random, 1, 4);
  const Dims dims = {number(random, 1, 3) * block_y * block_x, random.size(8), random.size(8), random.size(40)};
  std::vector<int32_t> crops;
  for (const int32_t size : {block_y * dims[1], block_x * dims[2]}) {
    const int32_t before = number(random, 0, std::min(3, size - 1));
    crops.insert(crops.end(), {before, number(random, 0, std::min(3, size - 1 - before))});
  }
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  m.add(op, {x, m.integers({block_y, block_x}), m.integers({2, 2}, crops)}, {m.result(type, scales)});
}

void draw_broadcast_to(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int16, int32, int64, boolean});
  const Dims wanted = draw_dims(random, 1, 5);
  Dims dims = wanted;
  for (int32_t& dim : dims) dim = random.once_in(2) ? 1 : dim;
  dims.erase(dims.begin(), dims.begin() + random.below(static_cast<int64_t>(dims.size())));
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  m.add(op, {x, m.integers(wanted)}, {m.result(type, scales)});
}

void draw_reverse(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int16, int32, int64, boolean});
  const Dims dims = draw_dims(random, 1, 5);
  const int32_t axis = number(random, 0, static_cast<int64_t>(dims.size()) - 1);
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  m.add(op, {x, m.integers({axis})}, {m.result(type, scales)});
}

void draw_gather_nd(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int16, int32, int64, boolean});
  const Dims dims = draw_dims(random, 1, 4);
  const int32_t depth = number(random, 1, static_cast<int64_t>(dims.size()));
  const int32_t least = *std::min_element(dims.begin(), dims.begin() + depth);
  Dims places = {random.size(12), depth};
  if (random.once_in(3)) places.insert(places.begin(), random.size(4));
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  const int indices = m.fed_between(random.pick({int32, int64}), places, 0, std::max(least - 1, 0));
  m.add(op, {x, indices}, {m.result(type, scales)});
}

void draw_scatter_nd(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int64, int32});
  Dims dims = draw_dims(random, 1, 4);
  for (int32_t& dim : dims) dim = std::max(dim, 1);
  const int32_t depth = number(random, 1, static_cast<int64_t>(dims.size())), count = random.size(12);
  const int32_t least = *std::min_element(dims.begin(), dims.begin() + depth);
  Dims rows(dims.begin() + depth, dims.end());
  rows.insert(rows.begin(), count);
  const int indices = m.fed_between(int32, {count, depth}, 0, least - 1);
  const int updates = m.fed(type, rows);
  m.add(op, {indices, updates, m.integers(dims)}, {m.result(type)});
}

void draw_dynamic_update_slice(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, int32, int64, boolean});
  const Dims dims = draw_dims(random, 1, 4);
  Dims part = dims;
  for (int32_t& dim : part) dim = random.once_in(2) ? dim : number(random, 0, dim);
  const int x = m.fed(type, dims), update = m.fed(type, part);
  const int at = m.fed_between(int32, {static_cast<int32_t>(dims.size())}, -2, 20);
  m.add(op, {x, update, at}, {m.result(type)});
}

void draw_one_hot(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, int32, boolean});
  const Dims dims = draw_dims(random, 1, 3);
  const int32_t depth = random.size(20);
  const int indices = m.fed_between(random.pick({int32, int64}), dims, -1, depth);
  const int count = m.integers({}, {depth}), on = m.constant(type, {}), off = m.constant(type, {});
  m.add(op, {indices, count, on, off}, {m.result(type)}, {{"axis", random.once_in(2) ? -1 : 0}});
}

void draw_embedding_lookup(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8});
  const int32_t rows = random.size(60);
  const Dims dims = {rows, random.size(80)};
  const int indices = m.fed_between(int32, {random.size(20)}, 0, rows - 1);
  const Scales scales = type == int8 ? Scales::of(draw_scale(random)) : Scales{};
  const int table = random.once_in(2) ? m.constant(type, dims, scales) : m.fed(type, dims, scales);
  const bool real = type == float32 || random.once_in(2);
  m.add(op, {indices, table}, {m.result(real ? float32 : int8, real ? Scales{} : scales)});
}

void draw_top_k(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int8, uint8, int16, int32, int64});
  const Dims dims = draw_dims(random, 1, 3);
  const int32_t most = dims.back(), count = number(random, 0, most);
  const Scales scales = draw_scales(random, type);
  const int x = m.fed(type, dims, scales);
  m.add(op, {x, m.integers({}, {count})}, {m.result(type, scales), m.result(int32)});
}

void draw_cumulative_sum(DrawnModel& m, std::string_view op) {
  Random& random = m.random();
  const DType type = random.pick({float32, int32, int64});
  const Dims dims = draw_dims(random, 1, 4);
  m.limit_integers(random.pick<int64_t>({100, INT64_MAX}));
  m.allow(1e-5, 100);
  const int axis = m.integers({}, {number(random, 0, static_cast<int64_t>(dims.size()) - 1)});
  const int x = m.fed(type, dims);
  m.add(op, {x, axis}, {m.result(type)}, {{"exclusive", random.once_in(2)}, {"reverse", random.once_in(2)}});
}

constexpr Draw kDraws[] = {
    {"SPACE_TO_BATCH_ND", draw_space_to_batch},
    {"BATCH_TO_SPACE_ND", draw_batch_to_space},
    {"BROADCAST_TO", draw_broadcast_to},
    {"REVERSE_V2", draw_reverse},
    {"GATHER_ND", draw_gather_nd},
    {"SCATTER_ND", draw_scatter_nd},
    {"DYNAMIC_UPDATE_SLICE", draw_dynamic_update_slice},
    {"ONE_HOT", draw_one_hot},
    {"EMBEDDING_LOOKUP", draw_embedding_lookup},
    {"TOPK_V2", draw_top_k},
    {"CUMSUM", draw_cumulative_sum},
};

}  // namespace

std::span<const Draw> rearrangement_draws() { return kDraws; }

}  // namespace subgraft::compare
