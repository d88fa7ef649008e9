// SOFTMAX over the last dimension.
#include "micro/softmax.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <type_traits>

#include "kernels/families.h"
#include "kernels/rows.h"
#include "kernels/softmax_math.h"

namespace subgraft {
namespace {

SoftmaxScale scale_of_sum(int64_t sum, int output_bits) {
  const ShareScale scale(sum, output_bits);
  return {scale.value, scale.exponent};
}

template <typename In, typename Out>
using Rows8 = void (*)(const In*, Out*, int64_t, int64_t, const SoftmaxTable&, ScaleOfSum8);

template <typename In, typename Out>
Rows8<In, Out> rows8(const SoftmaxRows& rows) {
  if constexpr (std::is_same_v<In, int8_t>) {
    if constexpr (std::is_same_v<Out, int8_t>) return rows.int8_to_int8;
    if constexpr (std::is_same_v<Out, int16_t>) return rows.int8_to_int16;
  } else {
    if constexpr (std::is_same_v<Out, uint8_t>) return rows.uint8_to_uint8;
    if constexpr (std::is_same_v<Out, int16_t>) return rows.uint8_to_int16;
  }
}

template <typename In, typename Out>
Compute softmax8(Preparation& p, const Rows& rows, float beta) {
  const double real = static_cast<double>(beta) * static_cast<double>(p.input(0).scale());
  p.require(real >= 0, "beta is ", beta);
  const auto table = std::make_shared<const ExpTable>(exp_table(real));
  if (const SoftmaxRows* fast = softmax_rows()) {
    const auto wide = std::make_shared<SoftmaxTable>();
    std::copy(table->begin(), table->end(), wide->exp);
    return [rows, wide, run = rows8<In, Out>(*fast)](const Invocation& v) {
      rows.compute_many<In, Out>(
          v, [&](const In* in, Out* out, int64_t count) { run(in, out, count, rows.depth, *wide, scale_of_sum); });
    };
  }
  return [rows, table](const Invocation& v) {
    rows.compute<In, Out>(v, [&](const In* in, Out* out) { softmax_row(in, out, rows.depth, *table); });
  };
}

SoftmaxScale scale_of_sum16(int64_t sum, const void* table) {
  const Softmax16Scale scale(sum, *static_cast<const InterpolationTable*>(table));
  return {static_cast<int32_t>(scale.value), scale.shift};
}

SoftmaxInterpolation interpolation_of(const Softmax16& p) {
  SoftmaxInterpolation table{p.multiplier.value, p.multiplier.shift, {}};
  std::copy(p.exp.values().begin(), p.exp.values().end(), table.exp);
  return table;
}

Compute softmax16(Preparation& p, const Rows& rows, float beta) {
  p.require(p.input(0).zero_point() == 0, "zero point of the int16 input is not 0");
  require_output(p, 1.f / 32768, 0);
  // The product of two floats is a float here, also in the reference.
  const float real = p.input(0).scale() * beta;
  p.require(std::isfinite(real) && real >= 0, "beta is ", beta);
  const auto parameters = std::make_shared<const Softmax16>(
      Softmax16{quantize_multiplier(real / (10.0 / 65535.0)), softmax16_exp(), softmax16_one_over_one_plus()});
  if (const SoftmaxRows* fast = softmax_rows()) {
    const auto table = std::make_shared<const SoftmaxInterpolation>(interpolation_of(*parameters));
    return [rows, parameters, table, run = fast->int16_to_int16](const Invocation& v) {
      rows.compute_many<int16_t, int16_t>(v, [&](const int16_t* in, int16_t* out, int64_t count) {
        run(in, out, count, rows.depth, *table, scale_of_sum16, &parameters->one_over_one_plus);
      });
    };
  }
  return [rows, parameters](const Invocation& v) {
    rows.compute<int16_t, int16_t>(
        v, [&](const int16_t* in, int16_t* out) { softmax_row(in, out, rows.depth, *parameters); });
  };
}

Compute prepare_softmax(Preparation& p) {
  const Rows rows = prepare_rows(p);
  const DType in = p.input(0).dtype, out = p.output(0).dtype;
  const float beta = static_cast<float>(p.options().real("beta"));
  if (in == DType::float32 && out == DType::float32) {
    const SoftmaxRows* fast = softmax_rows();
    if (fast && beta >= 0)
      return [rows, beta, run = fast->real](const Invocation& v) {
        rows.compute_many<float, float>(
            v, [&](const float* x, float* y, int64_t count) { run(x, y, count, rows.depth, beta); });
      };
    return [rows, beta](const Invocation& v) {
      rows.compute<float, float>(v, [&](const float* in, float* out) { softmax_row(in, out, rows.depth, beta); });
    };
  }
  if (in == DType::float16 && out == DType::float16)
    return [rows, beta](const Invocation& v) {
      rows.compute<Half, Half>(v, [&](const Half* in, Half* out) { softmax_row(in, out, rows.depth, beta); });
    };
  if (in == DType::int8 && out == DType::int8) {
    require_output(p, 1.f / 256, -128);
    return softmax8<int8_t, int8_t>(p, rows, beta);
  }
  if (in == DType::int8 && out == DType::int16) return softmax8<int8_t, int16_t>(p, rows, beta);
  if (in == DType::uint8 && out == DType::uint8) return softmax8<uint8_t, uint8_t>(p, rows, beta);
  if (in == DType::uint8 && out == DType::int16) return softmax8<uint8_t, int16_t>(p, rows, beta);
  if (in == DType::int16 && out == DType::int16) return softmax16(p, rows, beta);
  p.unsupported("input ", dtype_name(in), " with output ", dtype_name(out));
}

}  // namespace

void register_softmax(Registry& registry) { registry.add("SOFTMAX", prepare_softmax); }

}  // namespace subgraft
