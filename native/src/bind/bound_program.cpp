// Moves tensors between a program and numpy.
#include "bind/bound_program.h"

#include <cstring>

#include "core/errors.h"

namespace subgraft {

BoundProgram::BoundProgram(ProgramRequest request) : program_(std::move(request)) {
  for (const TensorDef& tensor : program_.subgraph().tensors)
    if (dtypes_.count(tensor.dtype) == 0) dtypes_.emplace(tensor.dtype, py::dtype(numpy_name(tensor.dtype)));
}

void BoundProgram::run() {
  py::gil_scoped_release unlocked;  // from here to the brace: no Python objects
  program_.run();
}

void BoundProgram::bind(int tensor, const py::array& array) {
  check(tensor, array);
  if (!(array.flags() & py::array::c_style))
    throw ArgumentError(concat("the array bound to tensor ", tensor, " must be C-contiguous"));
  program_.bind(tensor, static_cast<std::byte*>(const_cast<void*>(array.data())));
  bound_[tensor] = array;
}

void BoundProgram::set(int tensor, const py::array& array) {
  check(tensor, array);
  if (program_.is_constant(tensor)) throw ArgumentError(concat("tensor ", describe(tensor), " is a constant"));
  if (!program_.is_readable(tensor))
    throw ArgumentError(concat("tensor ", describe(tensor), " is an intermediate: only inputs can be set"));
  copy_in(tensor, array);
}

py::array BoundProgram::get(int tensor) {
  const std::byte* data = readable(tensor);
  py::array array = empty(tensor);
  copy_out(tensor, data, array);
  return array;
}

py::array BoundProgram::view(int tensor, py::object self) {
  std::byte* data = const_cast<std::byte*>(readable(tensor));
  if (dtype_bits(type(tensor)) < 8)
    throw ArgumentError(concat("tensor ", describe(tensor), " has packed elements; read a copy instead"));
  ++views_;
  // The capsule keeps self alive and counts: memory must not move under a live view.
  py::capsule base(new Keeper{this, std::move(self)}, [](void* pointer) {
    auto* keeper = static_cast<Keeper*>(pointer);
    --keeper->program->views_;
    delete keeper;
  });
  py::array array(dtypes_.at(type(tensor)), dims(tensor), data, base);
  if (program_.is_constant(tensor)) array.attr("flags").attr("writeable") = false;
  return array;
}

py::list BoundProgram::call(const py::sequence& arrays) {
  const auto& inputs = program_.inputs();
  if (arrays.size() != inputs.size())
    throw ArgumentError(concat("expected ", inputs.size(), " inputs, got ", arrays.size()));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const py::object item = arrays[i];
    if (!py::isinstance<py::array>(item)) throw ArgumentError(concat("input ", i, " is not a numpy array"));
    const auto array = py::reinterpret_borrow<py::array>(item);
    check(inputs[i], array);
    copy_in(inputs[i], array);
  }
  run();
  py::list results;
  for (const int t : program_.outputs()) {
    py::array array = empty(t);
    copy_out(t, program_.data(t), array);
    results.append(std::move(array));
  }
  return results;
}

std::vector<int32_t> BoundProgram::dims(int tensor) const {
  const Shape shape = program_.shape(tensor);
  return {shape.dims().begin(), shape.dims().end()};
}

py::list BoundProgram::placements() const {
  py::list list;
  for (const auto& place : program_.placements())
    list.append(py::make_tuple(place.tensor, place.offset, place.size, place.first, place.last));
  return list;
}

std::string BoundProgram::describe(int tensor) const {
  return concat(tensor, " '", program_.subgraph().tensors[tensor].name, "'");
}

void BoundProgram::check(int tensor, const py::array& array) const {
  const Shape shape = program_.shape(tensor);  // throws for an index out of range
  const py::dtype& expected = dtypes_.at(type(tensor));
  // numpy has several numbers for one type (int and long): equal types may differ in number.
  if (dtype_bits(type(tensor)) < 8 || (array.dtype().num() != expected.num() && !array.dtype().equal(expected)))
    mismatch(tensor, array);
  if (array.ndim() != shape.rank())
    throw ArgumentError(concat("Cannot set tensor: Dimension mismatch. Got ", array.ndim(), " but expected ",
                               shape.rank(), " for input ", tensor, "."));
  for (int i = 0; i < shape.rank(); ++i)
    if (array.shape(i) != shape[i])
      throw ArgumentError(concat("Cannot set tensor: Dimension mismatch. Got ", array.shape(i), " but expected ",
                                 shape[i], " for dimension ", i, " of input ", tensor, "."));
}

void BoundProgram::mismatch(int tensor, const py::array& array) const {
  throw ArgumentError(concat("Cannot set tensor: Got value of type ", std::string(py::str(array.dtype())),
                             " but expected type ", dtype_name(type(tensor)), " for input ", tensor,
                             ", name: ", program_.subgraph().tensors[tensor].name));
}

void BoundProgram::copy_in(int tensor, const py::array& array) {
  std::byte* data = program_.data(tensor);
  const auto size = static_cast<size_t>(program_.bytes(tensor));
  if (size == 0) return;
  if (array.flags() & py::array::c_style) {
    std::memcpy(data, array.data(), size);
    return;
  }
  const py::array packed = py::array::ensure(array, py::array::c_style);
  if (!packed) throw py::error_already_set();
  std::memcpy(data, packed.data(), size);
}

const std::byte* BoundProgram::readable(int tensor) {
  (void)program_.data(tensor);  // throws for an index out of range
  if (!program_.is_readable(tensor))
    throw ArgumentError(concat("tensor ", describe(tensor),
                               " is an intermediate whose memory is used again during the run; to read it, keep all "
                               "tensors (experimental_preserve_all_tensors=True)"));
  return program_.data(tensor);
}

void BoundProgram::copy_out(int tensor, const std::byte* data, py::array& array) const {
  const int bits = dtype_bits(type(tensor));
  auto* out = static_cast<std::byte*>(array.mutable_data());
  if (bits >= 8) {
    if (array.nbytes() > 0) std::memcpy(out, data, static_cast<size_t>(array.nbytes()));
    return;
  }
  if (bits == 0) throw ArgumentError(concat("tensor ", describe(tensor), " has elements that numpy cannot hold"));
  const bool is_signed = type(tensor) != DType::uint4;
  const int per_byte = 8 / bits;
  for (py::ssize_t i = 0; i < array.size(); ++i) {
    const auto raw = static_cast<unsigned>(data[i / per_byte]) >> (i % per_byte * bits) & ((1u << bits) - 1);
    const bool negative = is_signed && (raw >> (bits - 1));
    out[i] = static_cast<std::byte>(negative ? raw - (1u << bits) : raw);
  }
}

}  // namespace subgraft
