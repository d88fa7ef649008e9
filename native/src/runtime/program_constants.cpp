// What a file's constants are to the program: bytes in place, strings by number, or a layout of sparse ones.
#include <algorithm>
#include <cstring>

#include "core/strings.h"
#include "model/string_buffer.h"
#include "runtime/folded.h"
#include "runtime/program.h"
#include "runtime/shared_weights.h"

namespace subgraft {
namespace {

// The strings of a constant and their numbers, which are its elements.
struct Texts {
  std::shared_ptr<const Strings> kept;
  std::vector<int64_t> ids;
};

bool is_aligned(const void* data, size_t alignment) { return reinterpret_cast<uintptr_t>(data) % alignment == 0; }

}  // namespace

Shape Program::shape_in_file(int tensor) const {
  const TensorDef& def = graph_.tensors[tensor];
  try {
    return Shape(def.shape);
  } catch (const ModelError& error) {
    throw ModelError(concat("tensor ", tensor, " '", def.name, "': ", error.what()));
  } catch (const Unsupported& error) {
    throw Unsupported(concat("tensor ", tensor, " '", def.name, "': ", error.what()));
  }
}

// A constant gets its bytes (a sparse one its layout), a variable its shape, the first time an op reads it.
void Program::define_constant(int tensor) {
  Value& value = values_[tensor];
  if (value.home != Home::none) return;
  const TensorDef& def = graph_.tensors[tensor];
  if (def.is_variable) {
    value.shape = shape_in_file(tensor);
    storage_bytes(def.dtype, value.shape.elements());  // refuses what has no size or too large a one
    value.known = value.kept = true;
    value.home = Home::variable;
    return;
  }
  if (def.external_buffer != 0)
    throw Unsupported(concat("tensor ", tensor, " '", def.name, "' lies in an external file, which is not supported"));
  const Bytes buffer = request_.model->buffers[def.buffer];
  const Shape shape = shape_in_file(tensor);
  if (buffer.empty() && shape.elements() != 0 && !def.sparsity) return;  // a sparse one may be all zeros
  value.shape = shape;
  const int bits = dtype_bits(def.dtype);
  if (def.sparsity) {
    define_sparse(tensor, buffer);
    return;
  }
  if (def.dtype == DType::string) {
    number_strings(tensor, buffer);
    return;
  }
  if (bits > 0) {
    const int64_t needed = storage_bytes(def.dtype, value.shape.elements());
    if (static_cast<int64_t>(buffer.size()) < needed)
      throw ModelError(concat("constant tensor ", tensor, " '", def.name, "' of shape ", value.shape.text(), " has ",
                              buffer.size(), " bytes; it needs ", needed));
  }
  value.home = Home::constant;
  value.known = value.kept = value.is_shared_constant = true;
  value.data = const_cast<std::byte*>(buffer.data());
  if (!is_aligned(buffer.data(), std::max(1, std::min(bits / 8, 8)))) {
    value.holder = request_.model->shared->get(request_.subgraph, tensor, "aligned", [&] {
      auto copy = std::make_shared<Folded>(static_cast<int64_t>(buffer.size()), value.shape);
      std::memcpy(copy->arena.data(), buffer.data(), buffer.size());
      return std::shared_ptr<const void>(copy);
    });
    value.data = static_cast<const Folded*>(value.holder.get())->arena.data();
  }
  // Kernels take a null pointer for "not constant".
  static std::byte nothing[kArenaAlignment];
  if (!value.data) value.data = nothing;
}

// The elements of a string constant become numbers, made once for all interpreters of the model.
void Program::number_strings(int tensor, Bytes buffer) {
  Value& value = values_[tensor];
  try {
    value.holder = request_.model->shared->get(request_.subgraph, tensor, "strings", [&] {
      auto texts = std::make_shared<Texts>();
      texts->kept = Strings::keep(read_strings(buffer));
      if (texts->kept->size() != value.shape.elements())
        throw ModelError(concat("its shape is ", value.shape.text(), ", and it has ", texts->kept->size(), " strings"));
      for (int64_t i = 0; i < texts->kept->size(); ++i) texts->ids.push_back(texts->kept->id(i));
      texts->ids.push_back(0);  // never empty: kernels take a null pointer for "not constant"
      return std::shared_ptr<const void>(texts);
    });
  } catch (const ModelError& error) {
    throw ModelError(concat("constant tensor ", tensor, " '", graph_.tensors[tensor].name, "': ", error.what()));
  }
  auto* ids = const_cast<int64_t*>(static_cast<const Texts*>(value.holder.get())->ids.data());
  value.data = reinterpret_cast<std::byte*>(ids);
  value.home = Home::constant;
  value.known = value.kept = value.is_shared_constant = true;
}

void Program::define_sparse(int tensor, Bytes buffer) {
  const TensorDef& def = graph_.tensors[tensor];
  Value& value = values_[tensor];
  const int bits = dtype_bits(def.dtype);
  if (bits < 8)
    throw Unsupported(concat("constant tensor ", tensor, " '", def.name, "' is sparse with elements of type ",
                             dtype_name(def.dtype)));
  try {
    value.sparse = std::make_shared<SparseConstant>(def.sparsity, value.shape, static_cast<size_t>(bits / 8), buffer);
  } catch (const ModelError& error) {
    throw ModelError(concat("sparse constant tensor ", tensor, " '", def.name, "': ", error.what()));
  }
  value.home = Home::constant;
  value.known = value.kept = value.is_shared_constant = true;
  if (request_.keep_all) spell_out(tensor);
}

// A sparse constant gets dense memory, made once for all interpreters of the model.
void Program::spell_out(int tensor) {
  Value& value = values_[tensor];
  if (!value.sparse || value.data) return;
  const int64_t size = storage_bytes(graph_.tensors[tensor].dtype, value.shape.elements());
  take(size);
  auto make = [&]() -> std::shared_ptr<const void> {
    auto dense = std::make_shared<Folded>(std::max<int64_t>(1, size), value.shape);
    value.sparse->spell_out(dense->arena.data());
    return dense;
  };
  value.holder =
      value.is_shared_constant ? request_.model->shared->get(request_.subgraph, tensor, "dense", make) : make();
  plan_->folded_bytes += size;
  value.data = static_cast<const Folded*>(value.holder.get())->arena.data();
  if (!pointers_to_.empty()) place(tensor, value.data);  // while running
}

}  // namespace subgraft
