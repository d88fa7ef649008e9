// MATRIX_DIAG and MATRIX_SET_DIAG: matrices and what lies on their diagonals.
#include <algorithm>
#include <cstring>

#include "kernels/families.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

struct Diagonals {
  int64_t matrices = 0, rows = 0, columns = 0;
  size_t element_bytes = 0;

  int64_t length() const { return std::min(rows, columns); }
};

// Puts the numbers of an input on the diagonals of the output.
void write_diagonals(const Diagonals& d, const std::byte* in, std::byte* out) {
  const size_t step = static_cast<size_t>(d.columns + 1) * d.element_bytes;
  for (int64_t i = 0; i < d.matrices; ++i) {
    std::byte* to = out + static_cast<size_t>(i * d.rows * d.columns) * d.element_bytes;
    for (int64_t k = 0; k < d.length(); ++k, to += step, in += d.element_bytes) std::memcpy(to, in, d.element_bytes);
  }
}

Compute prepare_diag(Preparation& p) {
  p.expect(1, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  p.require(shape.rank() >= 1, "input is a scalar");
  std::vector<int32_t> dims(shape.dims().begin(), shape.dims().end());
  dims.push_back(shape.back(0));
  const Shape output(dims);
  p.set_output(0, output);
  Diagonals d{0, shape.back(0), shape.back(0), static_cast<size_t>(element_bytes)};
  if (shape.elements() > 0) d.matrices = shape.elements() / shape.back(0);
  const auto bytes = static_cast<size_t>(output.elements() * element_bytes);
  return [d, bytes](const Invocation& v) {
    std::memset(v.out<std::byte>(0), 0, bytes);
    write_diagonals(d, v.in<std::byte>(0), v.out<std::byte>(0));
  };
}

Compute prepare_set_diag(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  p.require(p.input(1).dtype == p.input(0).dtype, "input is ", dtype_name(p.input(0).dtype), " but the diagonal is ",
            dtype_name(p.input(1).dtype));
  p.require(shape.rank() >= 2, "input of shape ", shape.text(), " is no matrix");
  std::vector<int32_t> dims(shape.dims().begin(), shape.dims().end() - 1);
  dims.back() = std::min(shape.back(0), shape.back(1));
  p.require(p.input(1).shape == Shape(dims), "a diagonal of shape ", p.input(1).shape.text(), " for input of shape ",
            shape.text());
  p.set_output(0, shape);
  p.share(0, 0);
  Diagonals d{0, shape.back(1), shape.back(0), static_cast<size_t>(element_bytes)};
  if (shape.elements() > 0) d.matrices = shape.elements() / (d.rows * d.columns);
  const auto bytes = static_cast<size_t>(shape.elements() * element_bytes);
  return [d, bytes](const Invocation& v) {
    std::byte* out = v.out<std::byte>(0);
    if (out != v.in<std::byte>(0)) std::memcpy(out, v.in<std::byte>(0), bytes);
    write_diagonals(d, v.in<std::byte>(1), out);
  };
}

}  // namespace

void register_matrices(Registry& registry) {
  registry.add("MATRIX_DIAG", prepare_diag);
  registry.add("MATRIX_SET_DIAG", prepare_set_diag);
}

}  // namespace subgraft
