// MediaPipe's MaxPoolingWithArgmax2D and MaxUnpooling2D. An index counts the elements of its window, row by row.
#include <algorithm>
#include <limits>

#include "core/fixed_point.h"
#include "kernels/dot.h"
#include "kernels/families.h"
#include "kernels/mediapipe.h"
#include "kernels/perception.h"
#include "kernels/pooling_math.h"

namespace subgraft {
namespace {

// The first fields of TfLitePoolParams. Files without the last one exist.
struct PoolOptions {
  int32_t padding, stride_width, stride_height, filter_width, filter_height, activation;
};
constexpr size_t kLeastOptions = offsetof(PoolOptions, activation);

int64_t schema_padding(int32_t padding) { return padding == mediapipe::kSame ? kPaddingSame : kPaddingValid; }

// The output positions from `begin` to `end`.
void pool_with_indices(const PoolGeometry& g, const float* in, const Range<float>& range, int64_t begin, int64_t end,
                       float* values, float* indices) {
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const int64_t row = pixel / g.x.out, batch = row / g.y.out;
    const int64_t out_y = row - batch * g.y.out, out_x = pixel - row * g.x.out;
    const Window::Taps rows = g.y.taps(out_y), columns = g.x.taps(out_x);
    for (int64_t channel = 0; channel < g.channels; ++channel) {
      float best = std::numeric_limits<float>::lowest();
      int64_t index = 0;
      for (int64_t r = rows.begin; r < rows.end; ++r) {
        for (int64_t c = columns.begin; c < columns.end; ++c) {
          const int64_t y = g.y.origin(out_y) + r, x = g.x.origin(out_x) + c;
          const float value = in[((batch * g.y.in + y) * g.x.in + x) * g.channels + channel];
          if (!(value > best)) continue;
          best = value;
          index = r * g.x.filter + c;
        }
      }
      values[pixel * g.channels + channel] = range.clamp(best);
      // A tenth more, so that cutting the number off gives the index whatever happened to its last bits.
      indices[pixel * g.channels + channel] = static_cast<float>(index) + 0.1f;
    }
  }
}

Compute prepare_pooling(Preparation& p) {
  p.expect(1, 2);
  mediapipe::require_floats(p);
  const auto o = mediapipe::read_options<PoolOptions>(p, kLeastOptions);
  const Shape& in = p.input(0).shape;
  p.require(in.rank() == 4, "the input has shape ", in.text(), "; it must have rank 4");
  PoolGeometry g{in[0], in[3], {}, {}};
  g.y = make_window(p, schema_padding(o.padding), in[1], o.filter_height, o.stride_height, 1);
  g.x = make_window(p, schema_padding(o.padding), in[2], o.filter_width, o.stride_width, 1);
  const Range<float> range = activation_range(o.activation);
  const Shape out{g.batches, g.y.out, g.x.out, g.channels};
  p.set_output(0, out);
  p.set_output(1, out);
  return [=](const Invocation& v) {
    if (g.channels == 0) return;
    const int64_t grain = grain_of(int64_t{std::min(g.y.in, g.y.filter)} * std::min(g.x.in, g.x.filter) * g.channels);
    v.parallel(g.pixels(), grain, [&](int64_t begin, int64_t end) {
      pool_with_indices(g, v.in<float>(0), range, begin, end, v.out<float>(0), v.out<float>(1));
    });
  };
}

// Sizes of the unpooling: `in` of a window is the op's output, `out` its input, as for the pooling it undoes.
Window unpooled(const Preparation& p, int64_t size, int64_t filter, int64_t stride) {
  p.require(stride > 0, "stride is ", stride);
  p.require(filter > 0, "the filter has size ", filter);
  p.require(size > 0, "the input has size ", size, " where the filter slides");
  p.require(size * filter <= INT32_MAX, "the output has size ", size * filter);
  Window window;
  window.in = static_cast<int32_t>(size * filter);
  window.out = static_cast<int32_t>(size);
  window.filter = static_cast<int32_t>(filter);
  window.stride = stride;
  window.before = std::max<int64_t>(0, (size - 1) * stride + filter - window.in) / 2;
  return window;
}

void check_indices(const float* indices, int64_t count, int64_t window) {
  for (int64_t i = 0; i < count; ++i)
    if (!(indices[i] >= 0 && indices[i] < static_cast<float>(window)))
      throw RunError(concat("index ", indices[i], " of element ", i, " is outside a window of ", window));
}

// One batch; where windows overlap, the last one stays. Indices have been checked.
void unpool(const PoolGeometry& g, const float* in, const float* indices, float* out) {
  for (int64_t y = 0; y < g.y.out; ++y) {
    for (int64_t x = 0; x < g.x.out; ++x) {
      for (int64_t channel = 0; channel < g.channels; ++channel) {
        const int64_t from = (y * g.x.out + x) * g.channels + channel;
        const auto index = static_cast<int64_t>(indices[from]);
        const int64_t to_y = g.y.origin(y) + index / g.x.filter, to_x = g.x.origin(x) + index % g.x.filter;
        if (to_y >= 0 && to_y < g.y.in && to_x >= 0 && to_x < g.x.in)
          out[(to_y * g.x.in + to_x) * g.channels + channel] = in[from];
      }
    }
  }
}

Compute prepare_unpooling(Preparation& p) {
  p.expect(2, 1);
  if (p.input(1).dtype == DType::int32) return prepare_flat_unpooling(p);
  mediapipe::require_floats(p);
  const auto o = mediapipe::read_options<PoolOptions>(p, kLeastOptions);
  const Shape& in = p.input(0).shape;
  p.require(in.rank() == 4, "the input has shape ", in.text(), "; it must have rank 4");
  p.require(p.input(1).shape == in, "the indices have shape ", p.input(1).shape.text(), " for an input of shape ",
            in.text());
  PoolGeometry g{in[0], in[3], {}, {}};
  g.y = unpooled(p, in[1], o.filter_height, o.stride_height);
  g.x = unpooled(p, in[2], o.filter_width, o.stride_width);
  const Shape out{g.batches, g.y.in, g.x.in, g.channels};
  p.set_output(0, out);
  return [g, count = in.elements(), inputs = in.product(1, 4), outputs = out.product(1, 4)](const Invocation& v) {
    if (count == 0) return;
    check_indices(v.in<float>(1), count, int64_t{g.y.filter} * g.x.filter);
    v.parallel(g.batches, 1, [&](int64_t begin, int64_t end) {
      for (int64_t batch = begin; batch < end; ++batch) {
        float* to = v.out<float>(0) + batch * outputs;
        std::fill(to, to + outputs, 0.0f);
        unpool(g, v.in<float>(0) + batch * inputs, v.in<float>(1) + batch * inputs, to);
      }
    });
  };
}

}  // namespace

void register_argmax_pooling(Registry& registry) {
  registry.add("MaxPoolingWithArgmax2D", prepare_pooling);
  registry.add("MaxUnpooling2D", prepare_unpooling);
}

}  // namespace subgraft
