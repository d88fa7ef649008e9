#include "runtime/packed.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "core/sub_byte.h"

namespace subgraft {
namespace {

constexpr std::string_view kMoving[] = {
    "BROADCAST_TO", "CONCATENATION", "DYNAMIC_UPDATE_SLICE", "EXPAND_DIMS", "RESHAPE", "SLICE", "SQUEEZE", "TRANSPOSE",
};

constexpr std::string_view kWeighted[] = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"};  // input 1: the weights

template <size_t Count>
bool is_among(const std::string_view (&ops)[Count], std::string_view op) {
  return std::find(std::begin(ops), std::end(ops), op) != std::end(ops);
}

bool is_packed(DType dtype) { return dtype == DType::int4 || dtype == DType::uint4 || dtype == DType::int2; }
bool is_byte(DType dtype) { return dtype == DType::int8 || dtype == DType::uint8; }
bool is_float(DType dtype) {
  return dtype == DType::float32 || dtype == DType::float16 || dtype == DType::bfloat16 || dtype == DType::float64;
}

bool any_packed(const std::vector<Operand>& operands) {
  return std::any_of(operands.begin(), operands.end(), [](const Operand& operand) { return is_packed(operand.dtype); });
}

// Weights of 4 or 2 bits that may differ in each run, the only packed input. Constants are unpacked once, by kernels.
bool has_computed_weights(const std::vector<Operand>& inputs) {
  if (inputs.size() < 2 || inputs[1].is_constant()) return false;
  const DType weights = inputs[1].dtype;
  return (weights == DType::int4 || weights == DType::int2) && inputs[1].is_quantized() && !is_packed(inputs[0].dtype);
}

// Throws where elements would change their type on the way. Positions and shapes are never of a byte.
void require_one_type(const std::vector<Operand>& inputs, const std::vector<Operand>& outputs) {
  DType type{};
  for (const auto* operands : {&inputs, &outputs})
    for (const Operand& operand : *operands)
      if (is_packed(operand.dtype)) type = operand.dtype;
  for (const auto* operands : {&inputs, &outputs})
    for (size_t i = 0; i < operands->size(); ++i) {
      const DType other = (*operands)[i].dtype;
      const bool moves = is_packed(other) || is_byte(other) || operands == &outputs;
      if (moves && other != type)
        throw ModelError(concat(operands == &inputs ? "input " : "output ", i, " is ", dtype_name(other),
                                ", another operand ", dtype_name(type)));
    }
}

}  // namespace

PackedOperands::PackedOperands(const OpCode& op, std::vector<Operand>& inputs, std::vector<Operand>& outputs)
    : inputs_(inputs.size()), outputs_(outputs.size()) {
  if (!any_packed(inputs) && !any_packed(outputs)) return;
  const std::string name = op.name();
  if (name == "CAST" || name == "QUANTIZE") {
    if (any_packed(outputs) && !inputs.empty() && !is_float(inputs[0].dtype))
      throw Unsupported(concat(name, " of ", dtype_name(inputs[0].dtype), " to ", dtype_name(outputs[0].dtype)));
  } else if (is_among(kMoving, name)) {
    require_one_type(inputs, outputs);
  } else if (!is_among(kWeighted, name) || !has_computed_weights(inputs)) {
    return;
  }
  const auto unpack = [](std::vector<Operand>& operands, std::vector<Packed>& packed, bool has_elements) {
    for (size_t i = 0; i < operands.size(); ++i) {
      Operand& operand = operands[i];
      if (!is_packed(operand.dtype)) continue;
      packed.push_back({static_cast<int>(i), operand.dtype, has_elements ? operand.shape.elements() : 0});
      operand.dtype = operand.dtype == DType::uint4 ? DType::uint8 : DType::int8;
      operand.constant = nullptr;
      operand.constant_bytes = 0;
    }
  };
  unpack(inputs, packed_inputs_, true);
  unpack(outputs, packed_outputs_, false);
}

Compute PackedOperands::around(Compute compute, Preparation::Host& host, ThreadPool& threads) const {
  if (packed_inputs_.empty() && packed_outputs_.empty()) return compute;
  host.views.clear();  // of bytes that the kernel sees unpacked
  host.parts.clear();
  struct Buffer {
    Packed operand;
    int64_t elements;
    int slot;
  };
  std::vector<Buffer> sources, targets;
  const size_t own_scratch = host.scratch.size();
  const auto add = [&host](std::vector<Buffer>& buffers, const Packed& operand, int64_t elements) {
    buffers.push_back({operand, elements, static_cast<int>(host.scratch.size())});
    host.scratch.push_back(elements);
  };
  for (const Packed& input : packed_inputs_) add(sources, input, input.elements);
  for (const Packed& output : packed_outputs_)
    add(targets, output, host.shapes[output.place] ? host.shapes[output.place]->elements() : 0);
  auto pointers = std::make_shared<std::vector<std::byte*>>(inputs_ + outputs_ + own_scratch);
  return [compute = std::move(compute), sources = std::move(sources), targets = std::move(targets), pointers,
          own_scratch, inputs = inputs_, outputs = outputs_, &threads](const Invocation& v) {
    std::byte** first = pointers->data();
    for (size_t i = 0; i < inputs; ++i) first[i] = v.state<std::byte>(static_cast<int>(i));
    for (size_t i = 0; i < outputs; ++i) first[inputs + i] = v.out<std::byte>(static_cast<int>(i));
    for (size_t i = 0; i < own_scratch; ++i) first[inputs + outputs + i] = v.scratch<std::byte>(static_cast<int>(i));
    for (const Buffer& buffer : sources) {
      auto* bytes = v.scratch<std::byte>(buffer.slot);
      unpack_bytes(v.in<std::byte>(buffer.operand.place), buffer.operand.dtype, buffer.elements, bytes);
      first[buffer.operand.place] = bytes;
    }
    for (const Buffer& buffer : targets)
      first[inputs + static_cast<size_t>(buffer.operand.place)] = v.scratch<std::byte>(buffer.slot);
    compute(Invocation(first, first + inputs, first + inputs + outputs, threads));
    for (const Buffer& buffer : targets)
      pack_bytes(v.scratch<std::byte>(buffer.slot), buffer.operand.dtype, buffer.elements,
                 v.out<std::byte>(buffer.operand.place));
  };
}

}  // namespace subgraft
