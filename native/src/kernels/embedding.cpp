// EMBEDDING_LOOKUP, EMBEDDING_LOOKUP_SPARSE and LSH_PROJECTION: numbers into vectors.
#include <cmath>
#include <cstring>
#include <type_traits>

#include "core/half.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"
#include "kernels/farm_hash.h"
#include "kernels/movement.h"
#include "kernels/pick_rows.h"

namespace subgraft {
namespace {

struct Lookup {
  int64_t count = 0;            // rows to look up
  int64_t rows = 0, depth = 0;  // of the table; depth: elements of a row
  int64_t block = 0;            // elements that share a scale
  int64_t scales_of_row = 0;    // 0: one scale for all
  std::vector<float> scales;
};

int64_t checked_row(int32_t id, int64_t rows) {
  if (id < 0 || id >= rows) throw RunError(concat("row ", id, " is outside a table of ", rows));
  return id;
}

// Element i of numbers of so many bits, the first in the lowest bits of a byte. TFLite reads uint8 as int8 here.
template <int bits>
int8_t packed(const uint8_t* bytes, int64_t i) {
  if constexpr (bits == 8) {
    return static_cast<int8_t>(bytes[i]);
  } else {
    constexpr int per_byte = 8 / bits;
    const int left = 8 - bits * static_cast<int>(i % per_byte + 1);
    return static_cast<int8_t>(static_cast<int8_t>(static_cast<uint8_t>(bytes[i / per_byte] << left)) >> (8 - bits));
  }
}

template <int bits, typename Out>
void dequantize_rows(const Lookup& l, const Invocation& v, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t row = v.in<int32_t>(0)[i];
    const float* scales = l.scales.data() + row * l.scales_of_row;
    for (int64_t k = 0; k < l.depth; ++k) {
      const float value = static_cast<float>(packed<bits>(v.in<uint8_t>(1), row * l.depth + k)) * scales[k / l.block];
      if constexpr (kIsShortFloat<Out>)
        v.out<Out>(0)[i * l.depth + k] = shorten<Out>(value);
      else
        v.out<Out>(0)[i * l.depth + k] = value;
    }
  }
}

void check_rows(const Lookup& l, const Invocation& v) {
  if (const int32_t* wrong = find_outside(v.in<int32_t>(0), l.count, l.rows)) checked_row(*wrong, l.rows);
}

template <int bits>
Compute run_dequantizing(const Preparation& p, Lookup lookup) {
  const auto shared = std::make_shared<const Lookup>(std::move(lookup));
  return dispatch<float, Half>(p, p.output(0).dtype, [&](auto type) -> Compute {
    return [shared](const Invocation& v) {
      check_rows(*shared, v);
      v.parallel(shared->count, row_grain(shared->depth * 4),
                 [&](int64_t begin, int64_t end) { dequantize_rows<bits, decltype(type)>(*shared, v, begin, end); });
    };
  });
}

void read_blocks(const Preparation& p, const BlockwiseQuantization& q, Lookup& l) {
  const Operand& table = p.input(1);
  p.require(table.shape.rank() == 2, "a blockwise table of shape ", table.shape.text());
  p.require(q.block_size > 0 && l.depth % q.block_size == 0, "blocks of ", q.block_size, " do not divide rows of ",
            l.depth);
  if (q.zero_points >= 0) p.unsupported("blockwise quantization with zero points");
  const Operand scales = p.constant(q.scales);
  if (scales.dtype != DType::float16) p.unsupported("scales of blocks that are ", dtype_name(scales.dtype));
  l.block = q.block_size;
  l.scales_of_row = l.depth / l.block;
  p.require(scales.shape.elements() == l.rows * l.scales_of_row, scales.shape.elements(), " scales for ",
            l.rows * l.scales_of_row, " blocks");
  const Half* halves = reinterpret_cast<const Half*>(scales.constant);
  for (int64_t i = 0; i < scales.shape.elements(); ++i) l.scales.push_back(to_float(halves[i]));
}

void read_scales(const Preparation& p, Lookup& l) {
  const Operand& table = p.input(1);
  l.block = std::max<int64_t>(1, l.depth);
  if (!table.is_per_channel()) {
    p.require(table.zero_point() == 0, "the table has the zero point ", table.zero_point());
    l.scales = {table.scale()};
    return;
  }
  const Quantization& q = *table.quantization;
  p.require(q.quantized_dimension == 0 && static_cast<int64_t>(q.scale.size()) == l.rows, "the table has ",
            q.scale.size(), " scales along dimension ", q.quantized_dimension, " for ", l.rows, " rows");
  for (const int64_t zero : q.zero_point) p.require(zero == 0, "the table has the zero point ", zero);
  l.scales_of_row = 1;
  l.scales = q.scale;
}

Compute run_copying(const Preparation& p, const Lookup& l) {
  const int64_t bits = l.depth * dtype_bits(p.input(1).dtype);
  if (dtype_bits(p.input(1).dtype) == 0 || bits % 8 != 0)
    p.unsupported("rows of ", l.depth, " ", dtype_name(p.input(1).dtype));
  return [l, row_bytes = bits / 8](const Invocation& v) {
    check_rows(l, v);
    v.parallel(l.count, row_grain(row_bytes), [&](int64_t begin, int64_t end) {
      pick_rows(v.in<std::byte>(1), row_bytes, v.in<int32_t>(0) + begin, end - begin,
                v.out<std::byte>(0) + begin * row_bytes);
    });
  };
}

Compute prepare_lookup(Preparation& p) {
  p.expect(2, 1);
  const Operand &ids = p.input(0), &table = p.input(1);
  if (ids.dtype != DType::int32) p.unsupported("ids of ", dtype_name(ids.dtype));
  p.require(ids.shape.rank() == 1, "ids of shape ", ids.shape.text());
  p.require(table.shape.rank() >= 2, "a table of shape ", table.shape.text());
  p.set_output(0, table.shape.with(0, ids.shape[0]));
  Lookup l;
  l.count = ids.shape[0];
  l.rows = table.shape[0];
  l.depth = stride_of(table.shape, 0);
  if (table.dtype == p.output(0).dtype) {
    p.require(tensor_scale(table) == tensor_scale(p.output(0)), "table and output differ in scale or zero point");
    return run_copying(p, l);
  }
  const auto* details = table.quantization ? &table.quantization->details : nullptr;
  if (details && std::holds_alternative<BlockwiseQuantization>(*details))
    read_blocks(p, std::get<BlockwiseQuantization>(*details), l);
  else
    read_scales(p, l);
  switch (table.dtype) {
    case DType::int8:
    case DType::uint8:
      return run_dequantizing<8>(p, std::move(l));
    case DType::int4:
      return run_dequantizing<4>(p, std::move(l));
    case DType::int2:
      return run_dequantizing<2>(p, std::move(l));
    default:
      p.unsupported("a table of ", dtype_name(table.dtype), " for output of ", dtype_name(p.output(0).dtype));
  }
}

// CombinerType of the schema.
enum class Combiner { sum, mean, root };

struct SparseLookup {
  Combiner combiner = Combiner::sum;
  int64_t count = 0, rank = 0;  // lookups, and indices of each of them
  int64_t rows = 0, depth = 0, outputs = 0;
  int32_t limits[Shape::kMaxRank] = {};
};

// Neighbours of one place are added up, then divided by the sum of their weights or the root of its squares.
void look_up_sparse(const SparseLookup& l, const Invocation& v) {
  const int32_t *ids = v.in<int32_t>(0), *indices = v.in<int32_t>(1);
  const float *weights = v.in<float>(3), *table = v.in<float>(4);
  float* out = v.out<float>(0);
  std::fill_n(out, l.outputs, 0.0f);
  float *group = out, total = 0, squares = 0;
  const auto finish = [&](int64_t members) {
    if (l.combiner == Combiner::sum || members == 0) return;
    const float divisor = l.combiner == Combiner::mean ? total : std::sqrt(squares);
    for (int64_t k = 0; k < l.depth; ++k) group[k] /= divisor;
  };
  int64_t members = 0;
  for (int64_t i = 0; i < l.count; ++i) {
    const float* row = table + checked_row(ids[i], l.rows) * l.depth;
    int64_t place = 0;
    for (int64_t d = 0; d + 1 < l.rank; ++d) {
      const int32_t index = indices[i * l.rank + d];
      if (index < 0 || index >= l.limits[d])
        throw RunError(concat("index ", index, " is outside a dimension of ", l.limits[d]));
      place = place * l.limits[d] + index;
    }
    if (out + place * l.depth != group) {
      finish(members);
      members = 0;
      total = squares = 0;
      group = out + place * l.depth;
    }
    ++members;
    total += weights[i];
    squares += weights[i] * weights[i];
    for (int64_t k = 0; k < l.depth; ++k) group[k] += row[k] * weights[i];
  }
  finish(members);
}

Compute prepare_sparse_lookup(Preparation& p) {
  p.expect(5, 1);
  const Shape &ids = p.input(0).shape, &indices = p.input(1).shape, &table = p.input(4).shape;
  for (const int i : {0, 1, 2})
    if (p.input(i).dtype != DType::int32) p.unsupported("input ", i, " of ", dtype_name(p.input(i).dtype));
  for (const int i : {3, 4})
    if (p.input(i).dtype != DType::float32) p.unsupported("input ", i, " of ", dtype_name(p.input(i).dtype));
  if (p.output(0).dtype != DType::float32) p.unsupported("output of ", dtype_name(p.output(0).dtype));
  p.require(ids.rank() == 1 && indices.rank() == 2 && indices[0] == ids[0] && p.input(3).shape == ids, "ids of shape ",
            ids.text(), " with indices of shape ", indices.text(), " and weights of shape ", p.input(3).shape.text());
  p.require(table.rank() >= 2, "a table of shape ", table.text());
  p.require(indices[1] >= 1 && p.input(2).shape == Shape{indices[1]}, "a shape of shape ", p.input(2).shape.text(),
            " for indices of shape ", indices.text());
  SparseLookup l;
  l.rank = indices[1];
  std::vector<int32_t> dims;
  const auto shape = p.value<int32_t>(2);
  p.require(l.rank <= Shape::kMaxRank, "the shape has ", l.rank, " dimensions");
  for (int64_t d = 0; d + 1 < l.rank; ++d) dims.push_back(l.limits[d] = shape[d]);
  dims.insert(dims.end(), table.dims().begin() + 1, table.dims().end());
  const Shape output(dims);
  p.set_output(0, output);
  const int64_t combiner = p.options().integer("combiner");
  p.require(combiner >= 0 && combiner <= 2, "combiner ", combiner);
  l.combiner = static_cast<Combiner>(combiner);
  l.count = ids[0];
  l.rows = table[0];
  l.depth = stride_of(table, 0);
  l.outputs = output.elements();
  return [l](const Invocation& v) { look_up_sparse(l, v); };
}

struct Projection {
  int64_t hashes = 0, bits = 0;
  int64_t items = 0, item_bytes = 0;
  bool is_dense = false, has_weights = false;
  int key = 0;  // scratch
};

// One bit: whether the hashes of all items with this seed, weighted, add up to more than 0.
bool project(const Projection& r, const Invocation& v, float seed) {
  auto* key = v.scratch<char>(r.key);
  std::memcpy(key, &seed, sizeof(seed));
  double score = 0;
  for (int64_t i = 0; i < r.items; ++i) {
    std::memcpy(key + sizeof(seed), v.in<char>(1) + i * r.item_bytes, static_cast<size_t>(r.item_bytes));
    const uint64_t hash = FarmHash::fingerprint(key, sizeof(seed) + static_cast<uint64_t>(r.item_bytes));
    const double value = static_cast<double>(static_cast<int64_t>(hash));
    score += r.has_weights ? static_cast<double>(v.in<float>(2)[i]) * value : value;
  }
  return score > 0;
}

Compute prepare_projection(Preparation& p) {
  p.expect(2, 3, 1);
  const Operand &hashes = p.input(0), &items = p.input(1);
  p.require(hashes.dtype == DType::float32 && hashes.shape.rank() == 2, "hash functions are ", dtype_name(hashes.dtype),
            hashes.shape.text());
  p.require(items.shape.rank() >= 1 && items.shape[0] >= 1, "input of shape ", items.shape.text());
  p.require(p.output(0).dtype == DType::int32, "output is ", dtype_name(p.output(0).dtype), ", not int32");
  Projection r;
  r.hashes = hashes.shape[0];
  r.bits = hashes.shape[1];
  r.items = items.shape[0];
  r.has_weights = p.has_input(2);
  if (r.has_weights)
    p.require(p.input(2).dtype == DType::float32 && p.input(2).shape == Shape{items.shape[0]}, "weights are ",
              dtype_name(p.input(2).dtype), p.input(2).shape.text(), " for ", items.shape[0], " items");
  if (dtype_bits(items.dtype) < 8 || items.dtype == DType::string) p.unsupported("items of ", dtype_name(items.dtype));
  r.item_bytes = stride_of(items.shape, 0) * dtype_bits(items.dtype) / 8;
  const int64_t type = p.options().integer("type");
  if (type != 1 && type != 2) p.unsupported("projection of type ", type);
  r.is_dense = type == 2;
  p.require(r.bits <= 32, r.bits, " bits; 32 are the most");
  p.require(!r.is_dense || r.hashes * r.bits <= INT32_MAX, r.hashes, " hash functions");
  p.set_output(0, Shape{static_cast<int32_t>(r.is_dense ? r.hashes * r.bits : r.hashes)});
  r.key = p.scratch(static_cast<int64_t>(sizeof(float)) + r.item_bytes);
  return [r](const Invocation& v) {
    int32_t* out = v.out<int32_t>(0);
    for (int64_t i = 0; i < r.hashes; ++i) {
      uint64_t signature = 0;
      for (int64_t k = 0; k < r.bits; ++k) {
        const bool bit = project(r, v, v.in<float>(0)[i * r.bits + k]);
        if (r.is_dense) *out++ = bit;
        signature = signature << 1 | (bit ? 1 : 0);
      }
      // Hash functions keep apart by their place above the bits.
      if (!r.is_dense) *out++ = static_cast<int32_t>(signature + (static_cast<uint64_t>(i) << r.bits));
    }
  };
}

}  // namespace

void register_embedding(Registry& registry) {
  registry.add("EMBEDDING_LOOKUP", prepare_lookup);
  registry.add("EMBEDDING_LOOKUP_SPARSE", prepare_sparse_lookup);
  registry.add("LSH_PROJECTION", prepare_projection);
}

}  // namespace subgraft
