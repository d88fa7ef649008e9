// The tables and multipliers of the CPU's kernels, for backends whose answers must have the same bits.
#include <pybind11/numpy.h>

#include <cmath>
#include <utility>

#include "bind/bind.h"
#include "core/fixed_point.h"
#include "kernels/softmax_math.h"

namespace py = pybind11;

namespace subgraft {
namespace {

template <typename T, typename Values>
py::array_t<T> array_of(const Values& values) {
  return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

py::array_t<int32_t> softmax_exponentials(double real) {
  if (!(real >= 0)) throw ArgumentError(concat("beta times the scale is ", real));
  return array_of<int32_t>(exp_table(real));
}

std::pair<py::array_t<int16_t>, py::array_t<int16_t>> softmax_interpolations() {
  return {array_of<int16_t>(softmax16_exp().values()), array_of<int16_t>(softmax16_one_over_one_plus().values())};
}

}  // namespace

void bind_kernel_tables(py::module_& module) {
  module.def(
      "quantize_multiplier",
      [](double real, int max_shift) {
        const Multiplier m = quantize_multiplier(real, max_shift);
        return std::pair(m.value, m.shift);
      },
      py::arg("real"), py::arg("max_shift") = kMaxShift,
      "(value, shift) that stand for value * 2^(shift - 31); TFLite's QuantizeMultiplier.");
  module.def("softmax_exponentials", &softmax_exponentials, py::arg("real"),
             "e^-(i * real) in Q0 for the distances i = 0 .. 255 of 8-bit inputs from their row's maximum.");
  module.def("softmax_interpolations", &softmax_interpolations,
             "What int16 SOFTMAX interpolates between: 513 values of e^x in [-10, 0], and of 1 / (1 + x) in [0, 1].");
}

}  // namespace subgraft
