#include "damage_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>

#include "model/schema.h"

namespace subgraft {
namespace {

constexpr DType kTypes[] = {DType::float32, DType::float16, DType::float64, DType::int8,     DType::uint8,
                            DType::int16,   DType::uint16,  DType::int32,   DType::uint32,   DType::int64,
                            DType::boolean, DType::int4,    DType::string,  DType::complex64};
constexpr int32_t kDims[] = {0, -1, 1, 2, 3, 7, 8, 1000, 65536, 1 << 30, INT32_MAX, INT32_MIN};

}  // namespace

int64_t ModelDamage::extreme_integer() {
  static constexpr int64_t kValues[] = {0,         1,        -1,        2,         3,         -2,        5,
                                        127,       -128,     255,       256,       32767,     -32768,    65536,
                                        1 << 20,   1 << 30,  1ll << 31, 1ll << 32, INT32_MAX, INT32_MIN, INT32_MAX - 1,
                                        INT64_MAX, INT64_MIN};
  return below(8) ? kValues[below(std::size(kValues))] : static_cast<int64_t>(random_());
}

double ModelDamage::extreme_real() {
  static constexpr double kValues[] = {0,    -0.0,  1,     -1,   0.5, 2,        1e-45, 1e-38,
                                       1e38, -1e38, 1e-10, 1e10, 6.0, INFINITY, NAN,   -INFINITY};
  return kValues[below(std::size(kValues))];
}

Bytes ModelDamage::keep(std::vector<std::byte> bytes) {
  kept_.push_back(std::move(bytes));
  return kept_.back();
}

void ModelDamage::fill(DType type, std::byte* data, size_t bytes) {
  const size_t kind = below(4);
  const auto put = [&](auto make) {
    using T = decltype(make());
    for (size_t at = 0; at + sizeof(T) <= bytes; at += sizeof(T)) {
      const T value = make();
      std::memcpy(data + at, &value, sizeof(T));
    }
  };
  const auto integer = [&] {
    if (kind == 3) return below(16) ? static_cast<int64_t>(below(8)) : extreme_integer();
    return kind == 2 ? static_cast<int64_t>(random_()) : static_cast<int64_t>(below(4));
  };
  const auto real = [&] {
    if (kind == 3 && below(16) == 0) return extreme_real();
    const double unit = static_cast<double>(random_() >> 11) * 0x1p-53;
    return kind == 2 ? std::ldexp(unit - 0.5, static_cast<int>(below(250)) - 120) : unit * 8 - 4;
  };
  switch (type) {
    case DType::float32:
    case DType::complex64:
      return put([&] { return static_cast<float>(real()); });
    case DType::float64:
      return put([&] { return real(); });
    case DType::int64:
    case DType::uint64:
      return put([&] { return integer(); });
    case DType::int32:
    case DType::uint32:
      return put([&] { return static_cast<int32_t>(integer()); });
    case DType::boolean:
      return put([&] { return static_cast<uint8_t>(below(2)); });
    default:
      return put([&] { return static_cast<uint8_t>(random_()); });
  }
}

void ModelDamage::apply(Model& model, const Model& donor) {
  const size_t wounds = 1 + below(4);
  for (size_t i = 0; i < wounds; ++i) wound(model, donor);
}

void ModelDamage::wound(Model& model, const Model& donor) {
  SubgraphDef& graph = any(model.subgraphs);
  if (graph.ops.empty() || graph.tensors.empty()) return;
  OpDef& op = any(graph.ops);
  // A tensor of this op, so that small wounds in large models meet somewhere.
  std::vector<int32_t> near = op.inputs;
  near.insert(near.end(), op.outputs.begin(), op.outputs.end());
  std::erase_if(near, [](int32_t t) { return t < 0; });
  TensorDef& tensor = near.empty() ? any(graph.tensors) : graph.tensors[any(near)];
  switch (below(18)) {
    case 0:
    case 1:
      return wound_shape(tensor);
    case 2:
      return wound_type(tensor);
    case 3:
    case 4:
      return wound_quantization(tensor);
    case 5:
      return below(4) ? wound_constant(model, tensor) : wound_sparsity(tensor);
    case 6:
    case 7:
      return wound_constant(model, tensor);
    case 8:
      return wound_buffer(model, tensor);
    case 9:
      return wound_wires(graph, op);
    case 10:
    case 11:
      return wound_option(op);
    case 12:
      if (!op.custom_options.empty()) return wound_custom_options(op);
      return swap_operator(model, op, donor);
    case 13:  // what is known while preparing is known only while running
      for (const int32_t t : op.inputs)
        if (t >= 0 && below(2)) graph.tensors[t].buffer = 0;
      return;
    case 14:
    case 15:
      return graft(graph);
    case 16:
      return empty_but_long(graph, op);
    default:
      tensor.is_variable = !tensor.is_variable;
  }
}

void ModelDamage::wound_shape(TensorDef& tensor) {
  const size_t kind = below(6);
  auto& shape = tensor.shape;
  if (kind == 0) {
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(below(shape.size() + 1)), below(2) ? 1 : kDims[below(8)]);
  } else if (kind == 1 && !shape.empty()) {
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(below(shape.size())));
  } else if (kind == 2 && shape.size() > 1) {
    std::swap(any(shape), any(shape));
  } else if (kind == 3 && below(4) == 0) {
    shape.assign(below(10), kDims[below(7)]);
  } else if (!shape.empty()) {
    int32_t& dim = any(shape);
    dim = kind == 4 ? static_cast<int32_t>(std::min<int64_t>(int64_t{dim} + 1, INT32_MAX))
                    : kDims[below(std::size(kDims))];
  }
}

void ModelDamage::wound_type(TensorDef& tensor) { tensor.dtype = kTypes[below(std::size(kTypes))]; }

void ModelDamage::wound_quantization(TensorDef& tensor) {
  auto changed =
      tensor.quantization ? std::make_shared<Quantization>(*tensor.quantization) : std::make_shared<Quantization>();
  auto& q = *changed;
  switch (below(9)) {
    case 0:
      if (q.scale.empty()) q.scale.push_back(0.1f);
      any(q.scale) = static_cast<float>(extreme_real());
      break;
    case 1:
      if (q.scale.empty()) q.scale.push_back(0.1f);
      any(q.scale) *= below(2) ? 1e6f : 1e-6f;
      break;
    case 2:
      if (q.zero_point.empty()) q.zero_point.push_back(0);
      any(q.zero_point) = extreme_integer();
      break;
    case 3:
      q.scale.resize(below(20), 0.25f);
      break;
    case 4:
      q.zero_point.resize(below(20), 0);
      break;
    case 5:
      q.quantized_dimension = static_cast<int32_t>(extreme_integer());
      break;
    case 6: {  // per channel, of a size that fits
      const size_t axis = tensor.shape.empty() ? 0 : below(tensor.shape.size());
      const int32_t size = tensor.shape.empty() ? 1 : std::clamp(tensor.shape[axis], 0, 4096);
      q.scale.assign(static_cast<size_t>(size), 0.25f);
      q.zero_point.assign(static_cast<size_t>(size), 0);
      q.quantized_dimension = static_cast<int32_t>(axis);
      break;
    }
    case 7:
      q.details = BlockwiseQuantization{static_cast<int32_t>(below(8)), static_cast<int32_t>(below(8)) - 1,
                                        static_cast<int32_t>(below(2) ? 32 : extreme_integer())};
      break;
    default:
      tensor.quantization = nullptr;
      return;
  }
  tensor.quantization = changed;
}

SparseIndex ModelDamage::sparse_index() {
  SparseIndex index;
  index.type = static_cast<uint8_t>(below(4));
  for (size_t i = below(6); i > 0; --i)
    index.values.push_back(below(3) ? static_cast<int32_t>(below(4)) : static_cast<int32_t>(extreme_integer() & 0xff));
  return index;
}

void ModelDamage::wound_sparsity(TensorDef& tensor) {
  auto changed = tensor.sparsity ? std::make_shared<Sparsity>(*tensor.sparsity) : std::make_shared<Sparsity>();
  auto& s = *changed;
  if (!tensor.sparsity)
    for (size_t i = 0; i < tensor.shape.size(); ++i) {
      s.traversal_order.push_back(static_cast<int32_t>(i));
      s.dim_metadata.push_back({static_cast<int8_t>(below(2)), tensor.shape[i], sparse_index(), sparse_index()});
    }
  switch (below(6)) {
    case 0:
      if (!s.traversal_order.empty()) any(s.traversal_order) = static_cast<int32_t>(below(9)) - 2;
      break;
    case 1:
      s.block_map.assign(below(3), static_cast<int32_t>(below(5)) - 1);
      break;
    case 2:
      if (!s.dim_metadata.empty()) any(s.dim_metadata).dense_size = static_cast<int32_t>(extreme_integer());
      break;
    case 3:
      if (!s.dim_metadata.empty()) any(s.dim_metadata).array_segments = sparse_index();
      break;
    case 4:
      if (!s.dim_metadata.empty()) any(s.dim_metadata).array_indices = sparse_index();
      break;
    default:
      s.dim_metadata.resize(below(6));
  }
  tensor.sparsity = changed;
}

void ModelDamage::wound_constant(Model& model, TensorDef& tensor) {
  const Bytes old = model.buffers[tensor.buffer];
  if (old.empty() || old.size() > (1 << 20)) return;
  std::vector<std::byte> bytes(old.begin(), old.end());
  if (below(4) == 0) {
    fill(tensor.dtype, bytes.data(), bytes.size());
  } else {
    const size_t width = static_cast<size_t>(std::max(8, dtype_bits(tensor.dtype))) / 8;
    const size_t at = below(std::max<size_t>(1, bytes.size() / width)) * width;
    std::byte value[16] = {};
    const int64_t integer = below(3) ? static_cast<int64_t>(below(9)) - 3 : extreme_integer();
    const double real = extreme_real();
    const float narrow = static_cast<float>(real);
    if (tensor.dtype == DType::float32)
      std::memcpy(value, &narrow, 4);
    else if (tensor.dtype == DType::float64)
      std::memcpy(value, &real, 8);
    else
      std::memcpy(value, &integer, 8);
    std::memcpy(bytes.data() + at, value, std::min({width, bytes.size() - at, sizeof value}));
  }
  model.buffers.push_back(keep(std::move(bytes)));
  tensor.buffer = static_cast<uint32_t>(model.buffers.size() - 1);
}

void ModelDamage::wound_buffer(Model& model, TensorDef& tensor) {
  const Bytes old = model.buffers[tensor.buffer];
  const size_t kind = below(3);
  std::vector<std::byte> bytes;
  if (old.empty()) {  // an input becomes a constant
    int64_t elements = 1;
    for (const int32_t dim : tensor.shape) elements = dim < 0 || elements > 65536 ? 0 : elements * std::min(dim, 65536);
    if (elements > 65536) return;
    bytes.resize(static_cast<size_t>(elements * std::max(8, dtype_bits(tensor.dtype)) / 8));
    fill(tensor.dtype, bytes.data(), bytes.size());
  } else if (kind == 0) {  // a constant becomes an input
    tensor.buffer = 0;
    return;
  } else if (old.size() <= (1 << 20)) {
    bytes.assign(old.begin(), old.end());
    bytes.resize(kind == 1 ? below(old.size()) : old.size() + below(64));
  }
  model.buffers.push_back(keep(std::move(bytes)));
  tensor.buffer = static_cast<uint32_t>(model.buffers.size() - 1);
}

// Appends ops like those that are there, on tensors of the types that they take: work for the memory planner.
void ModelDamage::graft(SubgraphDef& graph) {
  for (size_t count = 1 + below(4); count > 0; --count) {
    OpDef op = any(graph.ops);
    for (int32_t& t : op.inputs) {
      if (t < 0 || below(4) == 0) continue;
      std::vector<int32_t> alike;
      for (size_t other = 0; other < graph.tensors.size(); ++other) {
        const TensorDef &a = graph.tensors[t], &b = graph.tensors[other];
        if (a.dtype == b.dtype && (a.shape.size() == b.shape.size() || below(4) == 0))
          alike.push_back(static_cast<int32_t>(other));
      }
      if (!alike.empty()) t = alike[alike.size() - 1 - below(std::min<size_t>(alike.size(), 6))];
    }
    for (int32_t& t : op.outputs) {
      if (t < 0) continue;
      const TensorDef like = graph.tensors[t];
      graph.tensors.push_back(like);
      t = static_cast<int32_t>(graph.tensors.size() - 1);
      if (below(3) == 0) graph.outputs.push_back(t);
    }
    if (count == 1 && !op.outputs.empty() && op.outputs[0] >= 0) graph.outputs.push_back(op.outputs[0]);
    graph.ops.push_back(std::move(op));
  }
}

// No elements, but a dimension that nobody should count through.
void ModelDamage::empty_but_long(SubgraphDef& graph, const OpDef& op) {
  const size_t empty = below(5), large = below(5);
  for (const int32_t t : op.inputs) {
    if (t < 0) continue;
    auto& shape = graph.tensors[t].shape;
    if (shape.size() < 2 && below(2)) continue;
    if (empty < shape.size()) shape[empty] = 0;
    if (large < shape.size() && large != empty) shape[large] = 1 << 30;
  }
}

void ModelDamage::wound_wires(SubgraphDef& graph, OpDef& op) {
  const auto tensor = [&] { return static_cast<int32_t>(below(graph.tensors.size())); };
  auto& wires = below(3) ? op.inputs : op.outputs;
  switch (below(6)) {
    case 0:
      if (!wires.empty()) any(wires) = -1;
      return;
    case 1:
      if (!wires.empty()) any(wires) = tensor();
      return;
    case 2:
      if (!wires.empty()) any(wires) = any(wires);
      return;
    case 3:
      if (!wires.empty()) wires.erase(wires.begin() + static_cast<std::ptrdiff_t>(below(wires.size())));
      return;
    case 4:
      wires.push_back(tensor());
      return;
    default:
      if (wires.size() > 1) std::swap(any(wires), any(wires));
  }
}

void ModelDamage::wound_option(OpDef& op) {
  const OptionTable* table = op.options.table();
  if (!table || op.options.values().empty()) return;
  std::vector<OptionValue> values(op.options.values().begin(), op.options.values().end());
  const size_t at = below(values.size());
  if (auto* integer = std::get_if<int64_t>(&values[at]))
    *integer = below(2) ? static_cast<int64_t>(below(8)) - 2 : extreme_integer();
  else if (auto* real = std::get_if<double>(&values[at]))
    *real = extreme_real();
  else if (auto* integers = std::get_if<std::vector<int64_t>>(&values[at]))
    integers->assign(below(10), below(2) ? static_cast<int64_t>(below(8)) - 2 : extreme_integer());
  else
    values[at] = std::monostate();
  op.options = Options(table, std::move(values));
}

void ModelDamage::wound_custom_options(OpDef& op) {
  std::vector<std::byte> bytes(op.custom_options.begin(), op.custom_options.end());
  for (size_t i = 1 + below(3); i > 0; --i) any(bytes) = static_cast<std::byte>(below(2) ? random_() : below(8));
  if (below(8) == 0) bytes.resize(below(bytes.size()));
  op.custom_options = keep(std::move(bytes));
}

void ModelDamage::swap_operator(Model& model, OpDef& op, const Model& donor) {
  const OpDef* other = nullptr;
  for (const auto& graph : donor.subgraphs)
    if (!graph.ops.empty()) other = &graph.ops[below(graph.ops.size())];
  if (!other) return;
  if (below(3)) {
    OpCode code = donor.opcodes[other->opcode];
    if (below(2)) code = {static_cast<int32_t>(below(std::size(schema::kBuiltinOperatorNames))), "", 1};
    if (code.builtin == 32 && code.custom_code.empty()) return;
    model.opcodes.push_back(code);
    op.opcode = static_cast<uint32_t>(model.opcodes.size() - 1);
  }
  if (below(3)) return;
  op.options = other->options;
  op.options_type = other->options_type;
  op.options_2_type = other->options_2_type;
}

}  // namespace subgraft
