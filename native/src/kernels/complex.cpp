// REAL, IMAG and COMPLEX_ABS.
#include <complex>

#include "kernels/families.h"
#include "kernels/map.h"

namespace subgraft {
namespace {

template <typename F>
Compute prepare_part(Preparation& p, F part) {
  p.expect(1, 1);
  const Operand& input = p.input(0);
  p.set_output(0, input.shape);
  const int64_t count = input.shape.elements();
  if (input.dtype == DType::complex64 && p.output(0).dtype == DType::float32)
    return map<std::complex<float>, float>(count, part);
  if (input.dtype == DType::complex128 && p.output(0).dtype == DType::float64)
    return map<std::complex<double>, double>(count, part);
  p.unsupported("input ", dtype_name(input.dtype), " with output ", dtype_name(p.output(0).dtype));
}

Compute prepare_real(Preparation& p) {
  return prepare_part(p, [](auto x) { return x.real(); });
}
Compute prepare_imag(Preparation& p) {
  return prepare_part(p, [](auto x) { return x.imag(); });
}
Compute prepare_complex_abs(Preparation& p) {
  return prepare_part(p, [](auto x) { return std::abs(x); });
}

}  // namespace

void register_complex(Registry& registry) {
  registry.add("COMPLEX_ABS", prepare_complex_abs);
  registry.add("IMAG", prepare_imag);
  registry.add("REAL", prepare_real);
}

}  // namespace subgraft
