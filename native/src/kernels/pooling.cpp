// MAX_POOL_2D, AVERAGE_POOL_2D and L2_POOL_2D.
#include <algorithm>

#include "core/fixed_point.h"
#include "kernels/dot.h"
#include "kernels/families.h"
#include "kernels/pooling_math.h"
#include "kernels/requantize.h"
#include "micro/pool.h"

namespace subgraft {
namespace {

template <typename T>
auto pooled_range(const Preparation& p) {
  const int64_t activation = p.options().integer("fused_activation_function");
  if constexpr (std::is_floating_point_v<T>)
    return activation_range(activation);
  else
    return output_range<T>(p, activation);
}

// Which function of a PoolKernel computes a Pool; null: none.
template <typename Pool>
struct FastPool {
  template <typename T>
  static PoolPixels<T> of(const PoolKernel&) {
    return nullptr;
  }
};
template <typename T>
struct FastPool<MaxPool<T>> {
  template <typename>
  static PoolPixels<T> of(const PoolKernel& kernel) {
    if constexpr (std::is_same_v<T, float>) return kernel.max_real;
    if constexpr (std::is_same_v<T, int8_t>) return kernel.max_int8;
    if constexpr (std::is_same_v<T, uint8_t>) return kernel.max_uint8;
    if constexpr (std::is_same_v<T, int16_t>) return kernel.max_int16;
  }
};
template <typename T>
struct FastPool<AveragePool<T>> {
  template <typename>
  static PoolPixels<T> of(const PoolKernel& kernel) {
    if constexpr (std::is_same_v<T, float>) return kernel.average_real;
    if constexpr (std::is_same_v<T, int8_t>) return kernel.average_int8;
    if constexpr (std::is_same_v<T, uint8_t>) return kernel.average_uint8;
    if constexpr (std::is_same_v<T, int16_t>) return kernel.average_int16;
  }
};

template <typename Limits>
PoolLayer layer_of(Preparation& p, const PoolGeometry& g, const Limits& range) {
  const Preparation::Border border = p.absorb_border(0);
  PoolLayer layer;
  layer.top = border.top;
  layer.bottom = border.bottom;
  layer.left = border.left;
  layer.right = border.right;
  layer.in_height = g.y.in - border.top - border.bottom;
  layer.in_width = g.x.in - border.left - border.right;
  layer.out_height = g.y.out;
  layer.out_width = g.x.out;
  layer.channels = g.channels;
  layer.filter_height = g.y.filter;
  layer.filter_width = g.x.filter;
  layer.stride_y = g.y.stride;
  layer.stride_x = g.x.stride;
  layer.before_y = g.y.before;
  layer.before_x = g.x.before;
  if constexpr (std::is_same_v<Limits, Range<float>>) {
    layer.real_min = range.min;
    layer.real_max = range.max;
  } else {
    layer.min = range.min;
    layer.max = range.max;
    if (p.input(0).is_quantized()) layer.zero = p.input(0).zero_point();
  }
  return layer;
}

// Vectors divide sums in single precision: those of windows that are not too large.
template <typename T>
bool divides_exactly(int64_t window) {
  return std::is_floating_point_v<T> || window * ((int64_t{1} << (8 * sizeof(T))) + 1) <= kPoolLargestSum;
}

// For grain_of(): elements that vectors take in the time of one multiplication.
constexpr int64_t kElementsAtOnce = 8;

template <typename T, typename Pool>
Compute pool_as(Preparation& p, const PoolGeometry& g) {
  const int64_t window = int64_t{std::min(g.y.in, g.y.filter)} * std::min(g.x.in, g.x.filter);
  if (window > Pool::kMostElements) p.unsupported("windows of ", window, " elements");
  const auto range = pooled_range<T>(p);
  const PoolKernel* kernel = pool_kernel();
  const PoolPixels<T> fast = kernel && divides_exactly<T>(window) ? FastPool<Pool>::template of<T>(*kernel) : nullptr;
  if (fast && g.channels > 0) {
    const PoolLayer layer = layer_of(p, g, range);
    const int64_t grain = grain_of(window * g.channels / kElementsAtOnce);
    return [=](const Invocation& v) {
      v.parallel(g.pixels(), grain,
                 [&](int64_t begin, int64_t end) { fast(layer, v.in<T>(0), v.out<T>(0), begin, end); });
    };
  }
  return [=](const Invocation& v) {
    if (g.channels == 0) return;
    const int64_t grain = grain_of(window * g.channels);
    v.parallel(g.pixels(), grain,
               [&](int64_t begin, int64_t end) { pool<Pool>(g, v.in<T>(0), range, begin, end, v.out<T>(0)); });
  };
}

// Sets the output's shape.
PoolGeometry pool_geometry(Preparation& p) {
  p.expect(1, 1);
  const Operand& input = p.input(0);
  p.require(input.shape.rank() == 4, "the input has shape ", input.shape.text(), "; it must have rank 4");
  p.require(input.dtype == p.output(0).dtype, "input is ", dtype_name(input.dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  const Options& o = p.options();
  PoolGeometry g;
  g.batches = input.shape[0];
  g.channels = input.shape[3];
  g.y = make_window(p, o.integer("padding"), input.shape[1], o.integer("filter_height"), o.integer("stride_h"), 1);
  g.x = make_window(p, o.integer("padding"), input.shape[2], o.integer("filter_width"), o.integer("stride_w"), 1);
  p.set_output(0, Shape{g.batches, g.y.out, g.x.out, g.channels});
  return g;
}

template <template <typename> typename Pool>
Compute prepare_pool(Preparation& p) {
  const PoolGeometry g = pool_geometry(p);
  const Operand& input = p.input(0);
  if (input.dtype == DType::float32) return pool_as<float, Pool<float>>(p, g);
  if (input.dtype == DType::int8) return pool_as<int8_t, Pool<int8_t>>(p, g);
  if (input.dtype == DType::uint8) return pool_as<uint8_t, Pool<uint8_t>>(p, g);
  if (input.dtype == DType::int16) return pool_as<int16_t, Pool<int16_t>>(p, g);
  p.unsupported(p.name(), " of ", dtype_name(input.dtype));
}

Compute prepare_l2_pool(Preparation& p) {
  const PoolGeometry g = pool_geometry(p);
  if (p.input(0).dtype != DType::float32) p.unsupported("L2_POOL_2D of ", dtype_name(p.input(0).dtype));
  return pool_as<float, L2Pool>(p, g);
}

}  // namespace

void register_pooling(Registry& registry) {
  registry.add("MAX_POOL_2D", prepare_pool<MaxPool>);
  registry.add("AVERAGE_POOL_2D", prepare_pool<AveragePool>);
  registry.add("L2_POOL_2D", prepare_l2_pool);
}

}  // namespace subgraft
