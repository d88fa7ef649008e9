// MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_ANY, REDUCE_ALL, ARG_MAX and ARG_MIN.
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <type_traits>

#include "core/fixed_point.h"
#include "kernels/families.h"
#include "kernels/fast_reduction.h"
#include "kernels/movement.h"
#include "kernels/reduction_math.h"
#include "micro/find_best.h"

namespace subgraft {
namespace {

struct Reduction {
  ReductionPlan plan;
  bool everything = false;  // all axes go
};

constexpr int64_t kInputsPerThread = 16 * 1024;

// Checks what all reductions share and sets output 0.
Reduction prepare_axes(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  moved_bytes(p, p.input(0), p.output(0));
  if (p.input(0).dtype == DType::int16)
    p.require(tensor_scale(p.input(0)).zero_point == 0 && tensor_scale(p.output(0)).zero_point == 0,
              "int16 with a zero point");
  bool reduce[Shape::kMaxRank] = {};
  for (const int64_t axis : p.integers(1))
    if (shape.rank() > 0) reduce[checked_axis(p, axis, shape.rank())] = true;

  Reduction reduction;
  reduction.everything = true;
  std::vector<int32_t> dims;
  for (int i = 0; i < shape.rank(); ++i) {
    reduction.everything = reduction.everything && reduce[i];
    if (!reduce[i]) {
      dims.push_back(shape[i]);
    } else if (p.options().boolean("keep_dims")) {
      dims.push_back(1);
    }
  }
  const Shape output(dims);
  p.set_output(0, output);
  if (shape.elements() > 0) {
    for (int i = 0; i < shape.rank(); ++i) reduction.plan.add(shape[i], stride_of(shape, i), reduce[i]);
  } else {
    reduction.plan.outputs = output.elements();
    reduction.plan.inputs_per_output = 0;
  }
  return reduction;
}

template <typename Acc, typename In, typename Out, typename Step, typename Finish>
void run_reduction(const Invocation& v, const ReductionPlan& plan, Acc initial, Step step, Finish finish) {
  const int64_t grain = std::max<int64_t>(1, kInputsPerThread / std::max<int64_t>(1, plan.inputs_per_output));
  v.parallel(plan.outputs, grain, [&](int64_t begin, int64_t end) {
    reduce(plan, v.in<In>(0), v.out<Out>(0), initial, step, finish, begin, end);
  });
}

// Integers wrap around, as in the reference; their low bits do not depend on the width of the sum.
template <typename T>
using Wrapping =
    std::conditional_t<std::is_floating_point_v<T>, T, std::conditional_t<sizeof(T) <= 4, uint32_t, uint64_t>>;

template <typename T>
Compute run_sum(const ReductionPlan& plan) {
  using Acc = Wrapping<T>;
  if constexpr (std::is_same_v<T, float>) {
    if (Compute fast = fast_reduction<T>(plan, &Reductions::sum, 1.0f)) return fast;
  }
  if constexpr (std::is_same_v<T, int32_t>) {
    if (Compute fast = fast_reduction<T>(plan, &Reductions::sum_int32, 0)) return fast;
  }
  return [plan](const Invocation& v) {
    run_reduction<Acc, T, T>(
        v, plan, Acc{0}, [](Acc sum, T x) { return sum + static_cast<Acc>(x); },
        [](Acc sum) { return static_cast<T>(sum); });
  };
}

template <typename T>
Compute run_product(const ReductionPlan& plan) {
  using Acc = Wrapping<T>;
  return [plan](const Invocation& v) {
    run_reduction<Acc, T, T>(
        v, plan, Acc{1}, [](Acc product, T x) { return product * static_cast<Acc>(x); },
        [](Acc product) { return static_cast<T>(product); });
  };
}

Compute run_float_mean(const ReductionPlan& plan) {
  if (Compute fast = fast_reduction<float>(plan, &Reductions::sum, static_cast<float>(plan.inputs_per_output)))
    return fast;
  return [plan](const Invocation& v) {
    const float count = static_cast<float>(plan.inputs_per_output);
    run_reduction<float, float, float>(
        v, plan, 0.0f, [](float sum, float x) { return sum + x; }, [=](float sum) { return sum / count; });
  };
}

// Rounded towards zero; zero where there is nothing to average.
template <typename T>
Compute run_integer_mean(const ReductionPlan& plan) {
  return [plan](const Invocation& v) {
    const int64_t count = std::max<int64_t>(1, plan.inputs_per_output);
    run_reduction<uint64_t, T, T>(
        v, plan, uint64_t{0}, [](uint64_t sum, T x) { return sum + static_cast<uint64_t>(x); },
        [=](uint64_t sum) { return static_cast<T>(static_cast<int64_t>(sum) / count); });
  };
}

template <typename T>
T saturate(int32_t rescaled, int32_t zero_point) {
  const auto value = static_cast<int32_t>(static_cast<uint32_t>(rescaled) + static_cast<uint32_t>(zero_point));
  return static_cast<T>(std::clamp<int32_t>(value, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

// Works 1 / count into a multiplier. The shift is bounded as in the reference, which loses precision for odd scales.
Multiplier divide(Multiplier m, int64_t count) {
  const int shift = std::min({63 - std::countl_zero(static_cast<uint64_t>(count)), 32, 31 + m.shift});
  return {static_cast<int32_t>((int64_t{m.value} << shift) / count), m.shift - shift};
}

template <typename T>
Compute fill_outputs(const ReductionPlan& plan, T value) {
  return [=](const Invocation& v) { std::fill_n(v.out<T>(0), plan.outputs, value); };
}

// Of nothing, TFLite's mean is the number 0, whatever that stands for, and its sum is what the memory happened to hold:
// here it is the number that stands for 0.
template <typename T>
Compute run_quantized_sum(const Preparation& p, const ReductionPlan& plan, bool mean) {
  const Operand &input = p.input(0), &output = p.output(0);
  const int64_t count = plan.inputs_per_output;
  if (count == 0) return fill_outputs<T>(plan, mean ? T{0} : static_cast<T>(output.zero_point()));
  Multiplier multiplier = quantize_multiplier(double{input.scale()} / double{output.scale()});
  if (mean) multiplier = divide(multiplier, count);
  const int64_t offset = input.zero_point() * count;
  const int32_t zero_point = output.zero_point();
  if (Compute fast = fast_quantized_sum<T>(plan, offset, multiplier, zero_point)) return fast;
  return [=](const Invocation& v) {
    run_reduction<uint32_t, T, T>(
        v, plan, uint32_t{0}, [](uint32_t sum, T x) { return sum + static_cast<uint32_t>(x); },
        [=](uint32_t sum) {
          const auto centred = static_cast<int32_t>(static_cast<int32_t>(sum) - offset);
          return saturate<T>(rescale(centred, multiplier), zero_point);
        });
  };
}

// Truth values are read as bytes: a file may hold other numbers than 0 and 1.
template <bool any>
Compute run_logical(const ReductionPlan& plan) {
  return [plan](const Invocation& v) {
    run_reduction<bool, uint8_t, bool>(
        v, plan, !any, [](bool seen, uint8_t x) { return any ? seen || x != 0 : seen && x != 0; },
        [](bool seen) { return seen; });
  };
}

Compute prepare_mean(Preparation& p) {
  const ReductionPlan plan = prepare_axes(p).plan;
  switch (p.input(0).dtype) {
    case DType::float32:
      return run_float_mean(plan);
    case DType::int32:
      return run_integer_mean<int32_t>(plan);
    case DType::int64:
      return run_integer_mean<int64_t>(plan);
    case DType::int8:
      return run_quantized_sum<int8_t>(p, plan, true);
    case DType::uint8:
      return run_quantized_sum<uint8_t>(p, plan, true);
    case DType::int16:
      return run_quantized_sum<int16_t>(p, plan, true);
    default:
      p.unsupported("MEAN of ", dtype_name(p.input(0).dtype));
  }
}

Compute prepare_sum(Preparation& p) {
  const ReductionPlan plan = prepare_axes(p).plan;
  switch (p.input(0).dtype) {
    case DType::float32:
      return run_sum<float>(plan);
    case DType::int32:
      return run_sum<int32_t>(plan);
    case DType::int64:
      return run_sum<int64_t>(plan);
    case DType::int8:
      return run_quantized_sum<int8_t>(p, plan, false);
    case DType::uint8:
      return run_quantized_sum<uint8_t>(p, plan, false);
    case DType::int16:
      return run_quantized_sum<int16_t>(p, plan, false);
    case DType::boolean:
      return run_logical<true>(plan);
    default:
      p.unsupported("SUM of ", dtype_name(p.input(0).dtype));
  }
}

template <bool any>
Compute prepare_logical(Preparation& p) {
  const ReductionPlan plan = prepare_axes(p).plan;
  p.require(p.input(0).dtype == DType::boolean, p.name(), " of ", dtype_name(p.input(0).dtype));
  return run_logical<any>(plan);
}

// A step takes the next input where `Better` holds for it and what is there.
template <template <typename> class Better, typename T>
Compute run_extreme(const Reduction& reduction) {
  if constexpr (sizeof(T) <= 4) {
    if (Compute fast = fast_extreme<T>(reduction.plan, reduction.everything, Better<int>()(1, 0))) return fast;
  }
  return [plan = reduction.plan, everything = reduction.everything](const Invocation& v) {
    constexpr T lowest = std::numeric_limits<T>::lowest(), highest = std::numeric_limits<T>::max();
    T initial = Better<T>()(highest, lowest) ? lowest : highest;
    // The reference starts a full reduction with the first element: infinities and a leading NaN survive only there.
    if (everything && plan.inputs_per_output > 0) initial = v.in<T>(0)[0];
    run_reduction<T, T, T>(
        v, plan, initial, [](T best, T x) { return Better<T>()(x, best) ? x : best; }, [](T best) { return best; });
  };
}

template <template <typename> class Better>
Compute prepare_extreme(Preparation& p) {
  const Reduction reduction = prepare_axes(p);
  const DType dtype = p.input(0).dtype;
  if (dtype == DType::int8 || dtype == DType::uint8 || dtype == DType::int16)
    require_same_scale(p, p.input(0), p.output(0));
  switch (dtype) {
    case DType::float32:
      return run_extreme<Better, float>(reduction);
    case DType::int32:
      return run_extreme<Better, int32_t>(reduction);
    case DType::int64:
      return run_extreme<Better, int64_t>(reduction);
    case DType::int8:
      return run_extreme<Better, int8_t>(reduction);
    case DType::uint8:
      return run_extreme<Better, uint8_t>(reduction);
    case DType::int16:
      return run_extreme<Better, int16_t>(reduction);
    case DType::boolean:
      return run_logical<Better<int>()(1, 0)>(reduction.plan);
    default:
      p.unsupported(p.name(), " of ", dtype_name(dtype));
  }
}

// Each product is rescaled as it grows, by input scale / (output scale)^(1 / count). Of nothing it is 1, where TFLite
// gives what the memory happened to hold.
template <typename T>
Compute run_quantized_product(const Preparation& p, const ReductionPlan& plan) {
  const Operand &input = p.input(0), &output = p.output(0);
  if (plan.inputs_per_output == 0)
    return fill_outputs<T>(plan, round_to<T>(1.0 / output.scale() + output.zero_point()));
  const double root = std::pow(double{output.scale()}, 1.0 / static_cast<double>(plan.inputs_per_output));
  const Multiplier multiplier = quantize_multiplier(double{input.scale()} / root, kMaxWideShift);
  const int32_t in_zero = input.zero_point(), out_zero = output.zero_point();
  return [=](const Invocation& v) {
    constexpr int64_t kNone = std::numeric_limits<int64_t>::min();
    run_reduction<int64_t, T, T>(
        v, plan, kNone,
        [=](int64_t product, T x) -> int64_t {
          const int64_t value = x - in_zero;
          return product == kNone ? value : rescale_wide(product * value, multiplier);
        },
        [=](int64_t product) { return saturate<T>(rescale_wide(product, multiplier), out_zero); });
  };
}

Compute prepare_product(Preparation& p) {
  const ReductionPlan plan = prepare_axes(p).plan;
  const Operand& input = p.input(0);
  switch (input.dtype) {
    case DType::float32:
      return run_product<float>(plan);
    case DType::int32:
      return run_product<int32_t>(plan);
    case DType::int64:
      return run_product<int64_t>(plan);
    case DType::int8:
      return input.is_quantized() ? run_quantized_product<int8_t>(p, plan) : run_product<int8_t>(plan);
    case DType::int16:
      return input.is_quantized() ? run_quantized_product<int16_t>(p, plan) : run_product<int16_t>(plan);
    case DType::boolean:
      return run_logical<false>(plan);
    case DType::uint8:
      if (!input.is_quantized()) return run_product<uint8_t>(plan);
      [[fallthrough]];
    default:
      p.unsupported("REDUCE_PROD of ", input.is_quantized() ? "quantized " : "", dtype_name(input.dtype));
  }
}

// NaN loses against any number.
template <template <typename> class Better, typename T>
bool beats(T candidate, T current) {
  if constexpr (std::is_floating_point_v<T>) {
    return !std::isnan(candidate) && (std::isnan(current) || Better<T>()(candidate, current));
  } else {
    return Better<T>()(candidate, current);
  }
}

struct ArgPlan {
  int64_t outputs = 0, size = 0, inner = 1;
};

template <template <typename> class Better, typename T, typename Index>
Compute run_arg(const ArgPlan& plan) {
  const FindBest* fast = find_best_kernels();
  if (sizeof(T) == 1 && fast && plan.inner == 1) {
    // Bytes become unsigned, and the best of them the smallest.
    constexpr uint8_t flip = (std::is_signed_v<T> ? 0x80 : 0) ^ (Better<int>()(1, 0) ? 0xff : 0);
    return [plan, run = fast->bytes](const Invocation& v) {
      constexpr int64_t kBytesPerThread = 256 * 1024;
      v.parallel(plan.outputs, std::max<int64_t>(1, kBytesPerThread / plan.size), [&](int64_t begin, int64_t end) {
        run(v.in<uint8_t>(0) + begin * plan.size, end - begin, plan.size, flip, v.out<Index>(0) + begin,
            sizeof(Index) == 8);
      });
    };
  }
  return [plan](const Invocation& v) {
    v.parallel(plan.outputs, std::max<int64_t>(1, kInputsPerThread / plan.size), [&](int64_t begin, int64_t end) {
      find_best(
          v.in<T>(0), plan.size, plan.inner, v.out<Index>(0), [](T a, T b) { return beats<Better, T>(a, b); }, begin,
          end);
    });
  };
}

template <template <typename> class Better, typename Index>
Compute dispatch_arg(const Preparation& p, const ArgPlan& plan) {
  switch (p.input(0).dtype) {
    case DType::float32:
      return run_arg<Better, float, Index>(plan);
    case DType::int32:
      return run_arg<Better, int32_t, Index>(plan);
    case DType::int64:
      return run_arg<Better, int64_t, Index>(plan);
    case DType::int8:
      return run_arg<Better, int8_t, Index>(plan);
    case DType::uint8:
      return run_arg<Better, uint8_t, Index>(plan);
    case DType::int16:
      return run_arg<Better, int16_t, Index>(plan);
    case DType::boolean:
      return run_arg<Better, uint8_t, Index>(plan);
    default:
      p.unsupported(p.name(), " of ", dtype_name(p.input(0).dtype));
  }
}

template <template <typename> class Better>
Compute prepare_arg(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  const auto axes = p.integers(1);
  p.require(axes.size() == 1, "axis must be one number");
  const int axis = checked_axis(p, axes[0], shape.rank());
  p.require(shape[axis] > 0, "axis ", axis, " of shape ", shape.text(), " is empty");
  std::vector<int32_t> dims(shape.dims().begin(), shape.dims().end());
  dims.erase(dims.begin() + axis);
  const Shape output(dims);
  p.set_output(0, output);
  const ArgPlan plan{output.elements(), shape[axis], output.elements() > 0 ? stride_of(shape, axis) : 1};

  const DType index = p.output(0).dtype;
  p.require(p.options().integer("output_type", static_cast<int64_t>(index)) == static_cast<int64_t>(index),
            "output_type is not the output's ", dtype_name(index));
  if (index == DType::int32) return dispatch_arg<Better, int32_t>(p, plan);
  if (index == DType::int64) return dispatch_arg<Better, int64_t>(p, plan);
  p.unsupported("positions as ", dtype_name(index));
}

}  // namespace

void register_reduction(Registry& registry) {
  registry.add("ARG_MAX", prepare_arg<std::greater>);
  registry.add("ARG_MIN", prepare_arg<std::less>);
  registry.add("MEAN", prepare_mean);
  registry.add("REDUCE_ALL", prepare_logical<false>);
  registry.add("REDUCE_ANY", prepare_logical<true>);
  registry.add("REDUCE_MAX", prepare_extreme<std::greater>);
  registry.add("REDUCE_MIN", prepare_extreme<std::less>);
  registry.add("REDUCE_PROD", prepare_product);
  registry.add("SUM", prepare_sum);
}

}  // namespace subgraft
