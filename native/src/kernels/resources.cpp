// VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE: state that outlives a run, by name.
#include "runtime/resources.h"

#include <cstring>

#include "kernels/families.h"

namespace subgraft {
namespace {

void check_handle(const Preparation& p) {
  const Operand& handle = p.input(0);
  p.require(handle.dtype == DType::resource || handle.dtype == DType::int32, "the handle is ",
            dtype_name(handle.dtype));
  p.require(handle.shape.elements() == 1, "the handle has shape ", handle.shape.text());
}

Compute prepare_var_handle(Preparation& p) {
  p.expect(0, 1);
  p.require(p.output(0).dtype == DType::resource || p.output(0).dtype == DType::int32, "output is ",
            dtype_name(p.output(0).dtype));
  const int32_t id = p.resources().variable_id(p.options().text("container"), p.options().text("shared_name"));
  p.has_effects();
  p.set_output(0, {});
  p.publish(0, &id, sizeof(id));
  return [id](const Invocation& v) { *v.out<int32_t>(0) = id; };
}

Compute prepare_read_variable(Preparation& p) {
  p.expect(1, 1);
  check_handle(p);
  p.has_effects();
  Resources& resources = p.resources();
  const DType dtype = p.output(0).dtype;
  Shape shape = p.output(0).shape;
  if (shape.rank() == 0) {  // a scalar, or nobody knew the shape: what is assigned tells
    const ResourceVariable& variable = resources.variable(p.handle_now(0));
    if (!variable.is_assigned) throw RunError(concat("variable '", variable.name, "' is read before it was assigned"));
    shape = variable.shape;
  }
  p.set_output(0, shape);
  return [&resources, dtype, shape](const Invocation& v) {
    const ResourceVariable& variable = resources.variable(*v.in<int32_t>(0));
    if (!variable.is_assigned) throw RunError(concat("variable '", variable.name, "' is read before it was assigned"));
    if (variable.dtype != dtype || !(variable.shape == shape))
      throw RunError(concat("variable '", variable.name, "' is ", dtype_name(variable.dtype), variable.shape.text(),
                            " now, and is read as ", dtype_name(dtype), shape.text()));
    if (!variable.bytes.empty()) std::memcpy(v.out<std::byte>(0), variable.bytes.data(), variable.bytes.size());
  };
}

Compute prepare_assign_variable(Preparation& p) {
  p.expect(2, 0);
  check_handle(p);
  p.has_effects();
  Resources& resources = p.resources();
  const DType dtype = p.input(1).dtype;
  const Shape shape = p.input(1).shape;
  const auto size = static_cast<size_t>(dense_bytes(dtype, shape.elements()));
  if (dtype_bits(dtype) == 0 || dtype == DType::string) p.unsupported("a variable of ", dtype_name(dtype));
  return [&resources, dtype, shape, size](const Invocation& v) {
    ResourceVariable& variable = resources.variable(*v.in<int32_t>(0));
    variable.bytes.resize(size);
    if (size > 0) std::memcpy(variable.bytes.data(), v.in<std::byte>(1), size);
    variable.dtype = dtype;
    variable.shape = shape;
    variable.is_assigned = true;
  };
}

}  // namespace

void register_resources(Registry& registry) {
  registry.add("ASSIGN_VARIABLE", prepare_assign_variable);
  registry.add("READ_VARIABLE", prepare_read_variable);
  registry.add("VAR_HANDLE", prepare_var_handle);
}

}  // namespace subgraft
