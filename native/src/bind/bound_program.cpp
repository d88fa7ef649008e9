// Moves tensors between a program and numpy.
#include "bind/bound_program.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "bind/texts.h"
#include "core/errors.h"
#include "core/sub_byte.h"

namespace subgraft {
namespace {

Program prepare_unlocked(ProgramRequest request) {
  py::gil_scoped_release unlocked;  // from here to the brace: no Python objects
  return Program(std::move(request));
}

}  // namespace

BoundProgram::BoundProgram(ProgramRequest request) : program_(prepare_unlocked(std::move(request))) {
  for (const TensorDef& tensor : program_.subgraph().tensors)
    if (!dtypes_.contains(tensor.dtype)) dtypes_.emplace(tensor.dtype, py::dtype(numpy_name(tensor.dtype)));
}

BoundProgram::Turn::Turn(bool& taken) : taken_(taken) {
  if (taken_) throw ArgumentError("this program is already running in another thread");
  taken_ = true;
}

void BoundProgram::run() {
  const Turn turn(taken_);
  run_unlocked();
}

void BoundProgram::run_unlocked() {
  texts_of_run_ = texts_;           // outputs refer to them until the next run
  py::gil_scoped_release unlocked;  // from here to the brace: no Python objects
  program_.run();
}

void BoundProgram::reset_variables() {
  const Turn turn(taken_);
  program_.reset_variables();
}

void BoundProgram::profile(bool on) {
  const Turn turn(taken_);
  program_.profile(on);
}

void BoundProgram::bind(int tensor, const py::array& array) {
  const Turn turn(taken_);
  if (type(tensor) == DType::string)
    check_ids(tensor, array);
  else
    check(tensor, array);
  const int bits = dtype_bits(type(tensor));
  if (0 < bits && bits < 8)
    throw ArgumentError(concat("tensor ", describe(tensor), " has packed elements, which no array holds"));
  const auto require = [&](int flag, const char* what) {
    if (!(array.flags() & flag)) throw ArgumentError(concat("the array bound to tensor ", tensor, " must be ", what));
  };
  require(py::array::c_style, "C-contiguous");
  require(py::detail::npy_api::NPY_ARRAY_ALIGNED_, "aligned to its elements");
  const auto& inputs = program_.inputs();
  if (std::find(inputs.begin(), inputs.end(), tensor) == inputs.end())
    require(py::detail::npy_api::NPY_ARRAY_WRITEABLE_, "writeable");
  program_.bind(tensor, static_cast<std::byte*>(const_cast<void*>(array.data())));
  bound_[tensor] = array;
}

void BoundProgram::set(int tensor, const py::array& array) {
  const Turn turn(taken_);
  check(tensor, array);
  if (program_.is_constant(tensor)) throw ArgumentError(concat("tensor ", describe(tensor), " is a constant"));
  if (!program_.is_readable(tensor))
    throw ArgumentError(concat("tensor ", describe(tensor), " is an intermediate: only inputs can be set"));
  copy_in(tensor, array);
}

py::array BoundProgram::get(int tensor) {
  const Turn turn(taken_);
  const std::byte* data = readable(tensor);
  py::array array = empty(tensor);
  copy_out(tensor, data, array);
  return array;
}

py::array BoundProgram::view(int tensor, py::object self) {
  const Turn turn(taken_);
  std::byte* data = const_cast<std::byte*>(readable(tensor));
  if (dtype_bits(type(tensor)) < 8)
    throw ArgumentError(concat("tensor ", describe(tensor), " has packed elements; read a copy instead"));
  if (type(tensor) == DType::string)
    throw ArgumentError(concat("tensor ", describe(tensor), " holds strings; read a copy instead"));
  ++views_;
  // The capsule keeps self alive, and memory that was sized while running, which the next run replaces; and it counts.
  py::capsule base(new Keeper{this, std::move(self), program_.holder(tensor)}, [](void* pointer) {
    auto* keeper = static_cast<Keeper*>(pointer);
    --keeper->program->views_;
    delete keeper;
  });
  py::array array(dtype(tensor), dims(tensor), data, base);
  if (program_.is_constant(tensor)) array.attr("flags").attr("writeable") = false;
  return array;
}

py::list BoundProgram::call(const py::sequence& arrays) {
  const Turn turn(taken_);
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
  run_unlocked();
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
  const py::dtype& expected = dtype(tensor);
  // Nearly always one object. numpy has several numbers for one type (int and long), and one number for both byte
  // orders, so nothing less than its own comparison is enough.
  const py::dtype given = array.dtype();
  const bool is_text = type(tensor) == DType::string;
  const bool fits = is_text ? std::string_view("OSU").find(given.kind()) != std::string_view::npos
                            : given.is(expected) || given.equal(expected);
  if (dtype_bits(type(tensor)) == 0 || !fits) mismatch(tensor, array);
  if (array.ndim() != shape.rank())
    throw ArgumentError(concat("Cannot set tensor: Dimension mismatch. Got ", array.ndim(), " but expected ",
                               shape.rank(), " for input ", tensor, "."));
  for (int i = 0; i < shape.rank(); ++i)
    if (array.shape(i) != shape[i])
      throw ArgumentError(concat("Cannot set tensor: Dimension mismatch. Got ", array.shape(i), " but expected ",
                                 shape[i], " for dimension ", i, " of input ", tensor, "."));
}

void BoundProgram::check_ids(int tensor, const py::array& array) const {
  const std::vector<int32_t> expected = dims(tensor);
  const bool fits = array.dtype().equal(py::dtype("int64")) &&
                    std::equal(expected.begin(), expected.end(), array.shape(), array.shape() + array.ndim());
  if (!fits) throw ArgumentError(concat("tensor ", describe(tensor), " is bound to numbers of strings, as int64"));
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
  if (type(tensor) == DType::string) {
    auto texts = keep_texts(array);
    write_ids(*texts, reinterpret_cast<int64_t*>(data));
    texts_[tensor] = std::move(texts);
    return;
  }
  const bool is_packed = dtype_bits(type(tensor)) < 8;
  if (!is_packed && (array.flags() & py::array::c_style)) {
    std::memcpy(data, array.data(), size);
    return;
  }
  const py::array flat = py::array::ensure(array, py::array::c_style);
  if (!flat) throw py::error_already_set();
  if (is_packed)
    pack_bytes(static_cast<const std::byte*>(flat.data()), type(tensor), flat.size(), data);
  else
    std::memcpy(data, flat.data(), size);
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
  if (type(tensor) == DType::string) {
    read_texts(reinterpret_cast<const int64_t*>(data), array);
    return;
  }
  auto* out = static_cast<std::byte*>(array.mutable_data());
  if (bits >= 8) {
    if (array.nbytes() > 0) std::memcpy(out, data, static_cast<size_t>(array.nbytes()));
    return;
  }
  if (bits == 0) throw ArgumentError(concat("tensor ", describe(tensor), " has elements that numpy cannot hold"));
  unpack_bytes(data, type(tensor), array.size(), out);
}

}  // namespace subgraft
