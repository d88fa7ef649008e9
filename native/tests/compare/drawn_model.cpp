#include "drawn_model.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>

#include "core/errors.h"
#include "core/half.h"
#include "model/operator_options.h"
#include "model/schema.h"

namespace subgraft::compare {
namespace {

int32_t builtin_named(std::string_view name) {
  const auto* const first = std::begin(schema::kBuiltinOperatorNames);
  const auto* const found = std::find(first, std::end(schema::kBuiltinOperatorNames), name);
  if (found == std::end(schema::kBuiltinOperatorNames)) throw ArgumentError(concat("no operator ", name));
  return static_cast<int32_t>(found - first);
}

const OptionTable* table_of(int32_t builtin) {
  const std::string_view name = schema::kOperatorOptions[builtin];
  if (name.empty()) return nullptr;
  for (const OptionTable& table : schema::kBuiltinOptions)
    if (table.name == name) return &table;
  for (const OptionTable& table : schema::kBuiltinOptions2)
    if (table.name == name) return &table;
  throw ArgumentError(concat("no options table ", name));
}

Options options_of(const OptionTable* table, const OptionList& wanted) {
  if (!table) return {};
  std::vector<OptionValue> values;
  for (const OptionField& field : table->fields) {
    const auto found = std::find_if(wanted.begin(), wanted.end(),
                                    [&](const auto& option) { return std::string_view(option.first) == field.name; });
    const double value = found == wanted.end() ? static_cast<double>(field.fallback) : found->second;
    if (field.kind == OptionKind::f32)
      values.emplace_back(value);
    else if (field.kind == OptionKind::absent || field.kind >= OptionKind::string)
      values.emplace_back();
    else
      values.emplace_back(static_cast<int64_t>(value));
  }
  return {table, std::move(values)};
}

template <typename T>
Contents bytes_of(const std::vector<T>& values) {
  const auto* first = reinterpret_cast<const std::byte*>(values.data());
  return {first, first + values.size() * sizeof(T)};
}

}  // namespace

DrawnModel::DrawnModel(Random& random) : random_(random) {
  model_->buffers.emplace_back();
  model_->subgraphs.emplace_back();
}

int DrawnModel::add_tensor(DType type, const Dims& dims, const Scales& scales) {
  TensorDef tensor;
  tensor.name = std::to_string(graph_.tensors.size());
  tensor.shape = dims;
  tensor.dtype = type;
  tensor.has_rank = true;
  if (!scales.scale.empty()) {
    auto quantization = std::make_shared<Quantization>();
    quantization->scale = scales.scale;
    quantization->zero_point = scales.zero;
    quantization->zero_point.resize(scales.scale.size(), scales.zero.empty() ? 0 : scales.zero[0]);
    quantization->quantized_dimension = scales.axis;
    tensor.quantization = std::move(quantization);
  }
  graph_.tensors.push_back(std::move(tensor));
  return static_cast<int>(graph_.tensors.size() - 1);
}

uint32_t DrawnModel::add_buffer(const Contents& contents) {
  const Fenced& home = homes_->emplace_back(contents.size());
  if (!contents.empty()) std::memcpy(home.data(), contents.data(), contents.size());
  model_->buffers.emplace_back(home.data(), contents.size());
  return static_cast<uint32_t>(model_->buffers.size() - 1);
}

template <typename T>
Contents DrawnModel::draw_integers(int64_t count, int64_t low, int64_t high) {
  std::vector<T> values(static_cast<size_t>(count));
  const int64_t kind = random_.below(16), middle = random_.between(low, high);
  for (T& value : values) {
    int64_t drawn = random_.between(low, high);
    if (kind == 0) drawn = random_.once_in(2) ? low : high;
    if (kind == 1) drawn = middle;
    if (kind == 2) drawn = high;
    if (kind == 3) drawn = low;
    if (kind == 4) drawn = std::clamp(middle + random_.between(-2, 2), low, high);
    value = static_cast<T>(drawn);
  }
  return bytes_of(values);
}

Contents DrawnModel::draw_floats(DType type, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  const int64_t kind = random_.below(12);
  const double one = random_.normal();
  for (float& value : values) {
    double drawn = random_.normal() * 3;
    if (kind == 0) drawn = random_.uniform(0, 1);
    if (kind == 1) drawn = one;
    if (kind == 2) drawn = random_.once_in(8) ? 1 : 0;
    if (kind == 3) drawn = static_cast<double>(random_.between(-3, 3));
    if (special_floats_ && random_.once_in(6)) {
      constexpr double infinity = std::numeric_limits<double>::infinity();
      drawn = random_.pick({infinity, -infinity, std::numeric_limits<double>::quiet_NaN(), -0.0, 0.0, 1e38, -1e38,
                            1e-40, -1e-40, 88.5, -88.5, 104.0, -104.0, 0.5, -0.5, 2147483648.0});
    }
    value = static_cast<float>(drawn * float_factor_);
  }
  if (type == DType::float32) return bytes_of(values);
  std::vector<uint16_t> halves;
  for (const float value : values)
    halves.push_back(type == DType::float16 ? to_half(value).bits : to_bfloat16(value).bits);
  return bytes_of(halves);
}

Contents DrawnModel::draw(DType type, int64_t count, bool is_quantized) {
  const auto limited = [&](int64_t low, int64_t high) {
    return std::pair{is_quantized ? low : std::max(low, -integer_limit_),
                     is_quantized ? high : std::min(high, integer_limit_)};
  };
  switch (type) {
    case DType::float32:
    case DType::float16:
    case DType::bfloat16:
      return draw_floats(type, count);
    case DType::boolean:
      return draw_integers<uint8_t>(count, 0, 1);
    case DType::uint8:
      return draw_integers<uint8_t>(count, 0, 255);
    case DType::int8:
      return draw_integers<int8_t>(count, -128, 127);
    case DType::int16:
      return draw_integers<int16_t>(count, -32768, 32767);
    case DType::int32: {
      const auto [low, high] = limited(INT32_MIN, INT32_MAX);
      return draw_integers<int32_t>(count, low, high);
    }
    case DType::int64: {
      const auto [low, high] = limited(-(int64_t{1} << 40), int64_t{1} << 40);
      return draw_integers<int64_t>(count, low, high);
    }
    case DType::int4:
    case DType::int2:
      return draw_integers<uint8_t>(dense_bytes(type, count), 0, 255);
    default:
      throw ArgumentError(concat("nothing draws ", dtype_name(type)));
  }
}

int DrawnModel::fed(DType type, const Dims& dims, const Scales& scales) {
  const int tensor = add_tensor(type, dims, scales);
  for (int run = 0; run < kRuns; ++run) values_[tensor].push_back(draw(type, elements_of(dims), !scales.scale.empty()));
  graph_.inputs.push_back(tensor);
  return tensor;
}

int DrawnModel::fed_between(DType type, const Dims& dims, int64_t low, int64_t high) {
  const int tensor = add_tensor(type, dims, {});
  for (int run = 0; run < kRuns; ++run) {
    const int64_t count = elements_of(dims);
    values_[tensor].push_back(type == DType::int64 ? draw_integers<int64_t>(count, low, high)
                                                   : draw_integers<int32_t>(count, low, high));
  }
  graph_.inputs.push_back(tensor);
  return tensor;
}

int DrawnModel::constant(DType type, const Dims& dims, const Scales& scales) {
  const int tensor = add_tensor(type, dims, scales);
  const int64_t count = elements_of(dims);
  if (count > 0) graph_.tensors.back().buffer = add_buffer(draw(type, count, !scales.scale.empty()));
  return tensor;
}

int DrawnModel::integers(const Dims& dims, const std::vector<int32_t>& values) {
  const int tensor = add_tensor(DType::int32, dims, {});
  graph_.tensors.back().buffer = add_buffer(bytes_of(values));
  return tensor;
}

int DrawnModel::half_constant(const Dims& dims) {
  const int halves = constant(DType::float16, dims);
  const int floats = add_tensor(DType::float32, dims, {});
  add("DEQUANTIZE", {halves}, {floats});
  return floats;
}

int DrawnModel::variable(DType type, const Dims& dims, const Scales& scales) {
  const int tensor = add_tensor(type, dims, scales);
  graph_.tensors.back().is_variable = true;
  return tensor;
}

int DrawnModel::made(DType type, const Scales& scales, const Dims& dims) { return add_tensor(type, dims, scales); }

int DrawnModel::result(DType type, const Scales& scales) {
  const int tensor = made(type, scales);
  give(tensor);
  return tensor;
}

void DrawnModel::give(int tensor) { graph_.outputs.push_back(tensor); }

int DrawnModel::internal(DType type, const Scales& scales) { return add_tensor(type, {}, scales); }

void DrawnModel::set_blocks(int tensor, int32_t size, const Dims& scales) {
  std::vector<uint16_t> halves;
  for (int64_t i = elements_of(scales); i > 0; --i)
    halves.push_back(to_half(static_cast<float>(random_.uniform(0.001, 0.1))).bits);
  const int found = add_tensor(DType::float16, scales, {});
  graph_.tensors.back().buffer = add_buffer(bytes_of(halves));
  auto quantization = std::make_shared<Quantization>();
  quantization->details = BlockwiseQuantization{found, -1, size};
  graph_.tensors[static_cast<size_t>(tensor)].quantization = std::move(quantization);
}

int DrawnModel::sparse(DType type, int32_t rows, const Dims& row, const Scales& scales, int32_t block, double share) {
  Dims dims = row;
  dims.insert(dims.begin(), rows);
  const int tensor = add_tensor(type, dims, scales);
  const auto rank = static_cast<int32_t>(dims.size());
  auto sparsity = std::make_shared<Sparsity>();
  for (int32_t i = 0; i < rank + (block > 1); ++i) {
    sparsity->traversal_order.push_back(i);
    DimensionMetadata metadata;
    metadata.dense_size = i < rank ? dims[static_cast<size_t>(i)] : block;
    sparsity->dim_metadata.push_back(metadata);
  }
  if (block > 1) sparsity->block_map = {rank - 1};
  // All dimensions but the last one are dense.
  constexpr uint8_t kInt32 = 1;
  DimensionMetadata& last = sparsity->dim_metadata[static_cast<size_t>(rank - 1)];
  last.format = 1;
  last.dense_size /= block;
  last.array_segments = {kInt32, {0}};
  last.array_indices.type = kInt32;
  const int64_t lists = elements_of(dims) / dims.back();
  for (int64_t i = 0; i < lists; ++i) {
    for (int32_t k = 0; k < last.dense_size; ++k)
      if (random_.uniform(0, 1) < share) last.array_indices.values.push_back(k);
    last.array_segments.values.push_back(static_cast<int32_t>(last.array_indices.values.size()));
  }
  const auto stored = static_cast<int64_t>(last.array_indices.values.size()) * block;
  TensorDef& def = graph_.tensors.back();
  if (stored > 0) def.buffer = add_buffer(draw(type, stored, !scales.scale.empty()));
  def.sparsity = std::move(sparsity);
  return tensor;
}

void DrawnModel::begin_body() {
  outer_.push_back(std::move(graph_));
  graph_ = {};
}

int DrawnModel::end_body() {
  model_->subgraphs.push_back(std::move(graph_));
  graph_ = std::move(outer_.back());
  outer_.pop_back();
  return static_cast<int>(model_->subgraphs.size() - 1);
}

int DrawnModel::taken(DType type, const Dims& dims, const Scales& scales) {
  const int tensor = add_tensor(type, dims, scales);
  graph_.inputs.push_back(tensor);
  return tensor;
}

OpDef& DrawnModel::add(std::string_view op, std::vector<int32_t> inputs, std::vector<int32_t> outputs,
                       const OptionList& options) {
  OpCode code;
  code.builtin = builtin_named(op);
  OpDef def;
  def.opcode = static_cast<uint32_t>(model_->opcodes.size());
  def.inputs = std::move(inputs);
  def.outputs = std::move(outputs);
  def.options = options_of(table_of(code.builtin), options);
  model_->opcodes.push_back(std::move(code));
  options_.emplace_back(op, options);
  return graph_.ops.emplace_back(std::move(def));
}

OpDef& DrawnModel::add_custom(std::string_view op, std::vector<int32_t> inputs, std::vector<int32_t> outputs,
                              Contents options) {
  OpCode code;
  code.builtin = builtin_named("CUSTOM");
  code.custom_code = op;
  OpDef def;
  def.opcode = static_cast<uint32_t>(model_->opcodes.size());
  def.inputs = std::move(inputs);
  def.outputs = std::move(outputs);
  def.custom_options = custom_options_.emplace_back(std::move(options));
  model_->opcodes.push_back(std::move(code));
  options_.emplace_back(op, OptionList{});
  return graph_.ops.emplace_back(std::move(def));
}

void DrawnModel::allow(double tolerance, double magnitude) {
  tolerance_ = tolerance;
  magnitude_ = magnitude;
}

std::shared_ptr<const Model> DrawnModel::finish() {
  model_->subgraphs[0] = graph_;
  model_->storage = homes_;
  return model_;
}

std::string DrawnModel::text() const {
  std::string text;
  for (size_t i = 0; i < model_->subgraphs.size(); ++i) {
    if (i > 0) text += concat("  graph ", i, ":\n");
    text += text_of(model_->subgraphs[i]);
  }
  return text;
}

std::string DrawnModel::text_of(const SubgraphDef& graph) const {
  std::string text;
  const auto numbers = [](const std::vector<int32_t>& tensors) {
    std::string list;
    for (const int32_t tensor : tensors) list += concat(" ", tensor);
    return list;
  };
  for (const OpDef& op : graph.ops) {
    const auto& [name, options] = options_[op.opcode];
    text += concat("  ", name, numbers(op.inputs), " ->", numbers(op.outputs));
    for (const auto& [option, value] : options) text += concat(" ", option, "=", value);
    text += "\n";
  }
  for (const TensorDef& tensor : graph.tensors) {
    text += concat("  tensor ", tensor.name, " ", dtype_name(tensor.dtype), " ", Shape(tensor.shape).text(),
                   tensor.sparsity ? " sparse" : "", tensor.buffer ? " constant" : "",
                   tensor.is_variable ? " variable" : "");
    if (const auto& q = tensor.quantization; q && !q->scale.empty())
      text += concat(
          " scale ", q->scale[0], " zero ", q->zero_point[0],
          q->scale.size() > 1 ? concat(" and ", q->scale.size() - 1, " more along ", q->quantized_dimension) : "");
    text += "\n";
  }
  return text;
}

}  // namespace subgraft::compare
