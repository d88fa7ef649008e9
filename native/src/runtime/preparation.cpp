#include "runtime/preparation.h"

#include <cmath>
#include <cstring>

#include "runtime/arena.h"

namespace subgraft {

float Operand::scale() const {
  if (!is_quantized()) throw ModelError(concat("tensor '", name, "' has no quantization scale"));
  const float scale = quantization->scale[0];
  if (!(scale > 0) || !std::isfinite(scale))
    throw ModelError(concat("tensor '", name, "' has quantization scale ", scale, "; it must be positive and finite"));
  return scale;
}

int32_t Operand::zero_point() const {
  if (!quantization || quantization->zero_point.empty()) return 0;
  const int64_t zero = quantization->zero_point[0];
  const int bits = dtype_bits(dtype);
  if (bits > 0 && bits <= 16) {
    const bool is_signed =
        dtype == DType::int8 || dtype == DType::int16 || dtype == DType::int4 || dtype == DType::int2;
    const int64_t low = is_signed ? -(int64_t{1} << (bits - 1)) : 0;
    const int64_t high = is_signed ? (int64_t{1} << (bits - 1)) - 1 : (int64_t{1} << bits) - 1;
    if (zero < low || zero > high)
      throw ModelError(concat("tensor '", name, "' has zero point ", zero, ", outside ", dtype_name(dtype)));
  }
  if (zero < INT32_MIN || zero > INT32_MAX)
    throw ModelError(concat("tensor '", name, "' has zero point ", zero, ", outside int32"));
  return static_cast<int32_t>(zero);
}

int64_t storage_bytes(DType type, int64_t elements) {
  if (dtype_bits(type) == 0) throw Unsupported(concat("elements of ", dtype_name(type), " have no fixed size"));
  const int64_t bytes = dense_bytes(type, elements);
  if (bytes > memory_limit())
    throw Unsupported(concat("a tensor of ", bytes, " bytes is over the memory limit of ", memory_limit(),
                             "; raise SUBGRAFT_MAX_BYTES if that is intended"));
  return bytes;
}

Preparation::Preparation(const OpDef& op, const OpCode& code, std::vector<Operand> inputs, std::vector<Operand> outputs,
                         Host& host)
    : op_(op), code_(code), name_(code.name()), inputs_(std::move(inputs)), outputs_(std::move(outputs)), host_(host) {}

bool Preparation::has_input(int i) const { return i >= 0 && i < inputs() && op_.inputs[i] >= 0; }

const Operand& Preparation::input(int i) const {
  if (!has_input(i)) throw ModelError(concat("input ", i, " is missing"));
  return inputs_[i];
}

const Operand& Preparation::output(int i) const {
  if (i < 0 || i >= outputs() || op_.outputs[i] < 0) throw ModelError(concat("output ", i, " is missing"));
  return outputs_[i];
}

const Operand* Preparation::intermediate(int i) const {
  const bool present = i >= 0 && i < static_cast<int>(op_.intermediates.size()) && op_.intermediates[i] >= 0;
  return present ? &host_.intermediates[i] : nullptr;
}

Operand Preparation::constant(int32_t tensor) const { return host_.constant(tensor); }

std::string Preparation::body(int64_t subgraph) const { return host_.body(subgraph); }

void Preparation::expect(int min_inputs, int max_inputs, int outputs) const {
  if (inputs() < min_inputs || inputs() > max_inputs)
    throw ModelError(min_inputs == max_inputs
                         ? concat("has ", inputs(), " inputs; it takes ", min_inputs)
                         : concat("has ", inputs(), " inputs; it takes ", min_inputs, " to ", max_inputs));
  if (this->outputs() != outputs) throw ModelError(concat("has ", this->outputs(), " outputs; it gives ", outputs));
}

void Preparation::set_output(int i, const Shape& shape) {
  storage_bytes(output(i).dtype, shape.elements());
  host_.shapes[i] = shape;
}

const void* Preparation::value_bytes(int i, DType expected) const {
  const Operand& operand = input(i);
  if (operand.dtype != expected)
    throw ModelError(concat("input ", i, " '", operand.name, "' is ", dtype_name(operand.dtype), "; it must be ",
                            dtype_name(expected)));
  if (!host_.values[i]) throw NotYetKnown{i};
  if (!host_.is_running || operand.is_constant()) return host_.values[i];
  const int64_t size = dense_bytes(operand.dtype, operand.shape.elements());
  if (size > kMostAsked) {
    host_.is_repeatable = false;
    return host_.values[i];
  }
  host_.asked[i].assign(host_.values[i], host_.values[i] + size);
  return host_.asked[i].data();
}

std::vector<int64_t> Preparation::integers(int i) const {
  if (input(i).dtype == DType::int64) {
    const auto wide = value<int64_t>(i);
    return {wide.begin(), wide.end()};
  }
  const auto narrow = value<int32_t>(i);
  return {narrow.begin(), narrow.end()};
}

void Preparation::publish(int i, const void* bytes, int64_t size) {
  const auto* first = static_cast<const std::byte*>(bytes);
  output(i);
  host_.published[i].assign(first, first + size);
  host_.is_published[i] = true;
}

std::shared_ptr<const SparseConstant> Preparation::sparse(int i) const {
  input(i);
  return host_.sparse[i];
}

void Preparation::spell_out(int i) {
  if (!sparse(i)) return;
  host_.values[i] = inputs_[i].constant = host_.spell_out(i);
}

void Preparation::keep_sparse(int i) {
  input(i);
  host_.keeps_sparse[i] = true;
}

void Preparation::publish(int i, std::shared_ptr<const SparseConstant> constant) {
  output(i);
  host_.published_sparse[i] = std::move(constant);
  host_.is_published[i] = true;
}

int Preparation::threads() const { return host_.threads; }

void Preparation::has_effects() { host_.has_effects = true; }

Resources& Preparation::resources() const {
  host_.is_repeatable = false;
  return *host_.resources;
}

int32_t Preparation::handle_now(int i) const {
  if (!host_.is_running) throw NotYetKnown{i};
  int32_t handle = 0;
  std::memcpy(&handle, host_.values[i], sizeof(handle));
  return handle;
}

int Preparation::scratch(int64_t bytes) {
  if (bytes < 0 || bytes > memory_limit())
    throw Unsupported(concat("scratch memory of ", bytes, " bytes is over the limit of ", memory_limit()));
  host_.scratch.push_back(bytes);
  return static_cast<int>(host_.scratch.size()) - 1;
}

void Preparation::share(int output_index, int input_index) {
  output(output_index);
  if (has_input(input_index)) host_.shares.emplace_back(output_index, input_index);
}

void Preparation::view(int output_index, int input_index, int64_t offset) {
  output(output_index);
  if (has_input(input_index)) host_.views.push_back({output_index, input_index, offset});
}

void Preparation::part(int input_index, int output_index, int64_t offset) {
  output(output_index);
  if (has_input(input_index)) host_.parts.push_back({output_index, input_index, offset});
}

Preparation::Border Preparation::absorb_border(int i) {
  input(i);
  if (!host_.absorb_border) return {};
  std::optional<Unpadded> inside = host_.absorb_border(i);
  if (!inside) return {};
  inputs_[static_cast<size_t>(i)] = std::move(inside->operand);
  return inside->border;
}

std::optional<Preparation::Follower> Preparation::follower() const {
  return host_.follower ? host_.follower() : std::nullopt;
}

int Preparation::take_over_follower() { return host_.take_over_follower(); }

void Preparation::release(int i) {
  if (has_input(i)) host_.released.push_back(i);
}

std::shared_ptr<const void> Preparation::shared_value(int i, std::string_view kind,
                                                      const std::function<std::shared_ptr<const void>()>& make) {
  if (!input(i).is_constant() && !host_.sparse[i])
    throw ModelError(concat("input ", i, " '", input(i).name, "' must be a constant"));
  return host_.shared(i, kind, make);
}

}  // namespace subgraft
