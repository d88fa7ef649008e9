// MAX_POOL_2D, AVERAGE_POOL_2D and L2_POOL_2D.
#include <algorithm>

#include "core/fixed_point.h"
#include "kernels/dot.h"
#include "kernels/families.h"
#include "kernels/pooling_math.h"
#include "kernels/requantize.h"

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

template <typename T, typename Pool>
Compute pool_as(const Preparation& p, const PoolGeometry& g) {
  const int64_t window = int64_t{std::min(g.y.in, g.y.filter)} * std::min(g.x.in, g.x.filter);
  if (window > Pool::kMostElements) p.unsupported("windows of ", window, " elements");
  const auto range = pooled_range<T>(p);
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
