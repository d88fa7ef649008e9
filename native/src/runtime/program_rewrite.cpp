// Groups of ops that stand for one: found while preparing, when shapes and constants are known.
#include <algorithm>
#include <cstring>

#include "runtime/program.h"

namespace subgraft {
namespace {

// Inputs: a list as a tensor, an index, a row. Output: the list with the row at the index.
Compute prepare_set_row(Preparation& p) {
  p.expect(3, 1);
  const Shape& shape = p.input(0).shape;
  p.set_output(0, shape);
  p.share(0, 0);
  const int64_t rows = shape[0];
  const int64_t row_bytes = dense_bytes(p.input(2).dtype, p.input(2).shape.elements());
  return [rows, row_bytes](const Invocation& v) {
    const int32_t row = *v.in<int32_t>(1);
    if (row < 0 || row >= rows) throw RunError(concat("index ", row, " is outside 0 to ", rows - 1));
    const auto* list = v.in<std::byte>(0);
    auto* out = v.out<std::byte>(0);
    if (out != list) {
      std::memcpy(out, list, static_cast<size_t>(row * row_bytes));
      std::memcpy(out + (row + 1) * row_bytes, list + (row + 1) * row_bytes,
                  static_cast<size_t>((rows - row - 1) * row_bytes));
    }
    std::memcpy(out + row * row_bytes, v.in<std::byte>(2), static_cast<size_t>(row_bytes));
  };
}

}  // namespace

// The op that makes a tensor, if it is of this kind and takes and gives so many tensors; null otherwise.
const OpDef* Program::maker_of(int tensor, std::string_view kind, size_t inputs) const {
  if (tensor < 0 || values_[static_cast<size_t>(tensor)].maker < 0) return nullptr;
  const OpDef& op = *steps_[static_cast<size_t>(values_[static_cast<size_t>(tensor)].maker)].def;
  const bool fits = request_.model->opcodes[op.opcode].name() == kind && op.inputs.size() >= inputs &&
                    op.outputs.size() == 1 &&
                    std::all_of(op.inputs.begin(), op.inputs.end(), [](int t) { return t >= 0; });
  return fits ? &op : nullptr;
}

// Whether a tensor is a constant of int32 with this value everywhere.
bool Program::is_filled_with(int tensor, int32_t expected) const {
  if (tensor < 0) return false;
  const Value& value = values_[static_cast<size_t>(tensor)];
  if (value.home != Home::constant || !value.data || graph_.tensors[static_cast<size_t>(tensor)].dtype != DType::int32)
    return false;
  for (int64_t i = 0; i < value.shape.elements(); ++i) {
    int32_t element;
    std::memcpy(&element, value.data + i * 4, 4);
    if (element != expected) return false;
  }
  return true;
}

// The number in front of a vector that a concatenation makes of it and a constant that is `rest` everywhere: -1 where
// the vector is anything else.
int Program::number_before(int vector, int32_t rest) const {
  const OpDef* joined = maker_of(vector, "CONCATENATION", 2);
  if (!joined || joined->inputs.size() != 2 || !is_filled_with(joined->inputs[1], rest)) return -1;
  const OpDef* reshaped = maker_of(joined->inputs[0], "RESHAPE", 1);
  const int number = reshaped ? reshaped->inputs[0] : joined->inputs[0];
  const bool is_one = values_[static_cast<size_t>(number)].known &&
                      values_[static_cast<size_t>(number)].shape.elements() == 1 &&
                      graph_.tensors[static_cast<size_t>(number)].dtype == DType::int32;
  return is_one ? number : -1;
}

// A row put into a list, as converters write it: the rows before it, the row, the rows behind it, joined. Their number
// is known only while running, that of the result is not.
const OpDef* Program::as_set_row(const OpDef& op) {
  if (request_.keep_all || op.inputs.size() != 3 || op.outputs.size() != 1) return nullptr;
  if (request_.model->opcodes[op.opcode].name() != "CONCATENATION" || op.options.integer("axis") != 0 ||
      op.options.integer("fused_activation_function") != 0)
    return nullptr;
  const OpDef *before = maker_of(op.inputs[0], "SLICE", 3), *behind = maker_of(op.inputs[2], "SLICE", 3);
  const int row = op.inputs[1];
  if (!before || !behind || before->inputs[0] != behind->inputs[0] || row < 0) return nullptr;
  const int list = before->inputs[0];
  if (!is_filled_with(before->inputs[1], 0) || !is_filled_with(behind->inputs[2], -1)) return nullptr;
  const int index = number_before(before->inputs[2], -1), next = number_before(behind->inputs[1], 0);
  if (index < 0 || next < 0) return nullptr;
  const OpDef* sum = maker_of(next, "ADD", 2);
  if (!sum || sum->options.integer("fused_activation_function") != 0) return nullptr;
  const bool is_next = (sum->inputs[0] == index && is_filled_with(sum->inputs[1], 1)) ||
                       (sum->inputs[1] == index && is_filled_with(sum->inputs[0], 1));
  const Value &whole = values_[static_cast<size_t>(list)], &part = values_[static_cast<size_t>(row)];
  if (!is_next || !whole.known || !part.known || whole.shape.rank() < 1 || !(part.shape == whole.shape.with(0, 1)) ||
      whole.shape.elements() == 0)
    return nullptr;
  const auto dtype = [&](int t) { return graph_.tensors[static_cast<size_t>(t)].dtype; };
  if (dtype(list) != dtype(op.outputs[0]) || dtype(row) != dtype(list) || dtype_bits(dtype(list)) < 8) return nullptr;
  for (const int t : {op.inputs[0], op.inputs[2]}) {
    Step& slice = steps_[static_cast<size_t>(values_[static_cast<size_t>(t)].maker)];
    slice.wishes->is_replaced = true;
  }
  OpDef& made = changed_.emplace_back(op);
  made.inputs = {list, index, row};
  return &made;
}

Prepare Program::set_row() { return prepare_set_row; }

}  // namespace subgraft
