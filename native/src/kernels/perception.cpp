// TFLite's perception ops: MaxPoolWithArgmax, MaxUnpooling2D and DenseImageWarp. An index counts the elements of an
// image.
#include "kernels/perception.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/dot.h"
#include "kernels/families.h"
#include "kernels/mediapipe.h"
#include "kernels/pooling_math.h"
#include "model/flexbuffer.h"

namespace subgraft {
namespace {

// The number of the two inner dimensions in a list like [1, height, width, 1].
struct Sizes {
  int64_t y, x;
};

Sizes sizes_of(const Preparation& p, const flexbuffer::Value& options, std::string_view key) {
  const flexbuffer::Value* list = options.find(key);
  const auto* values = list ? std::get_if<flexbuffer::Vector>(&list->held) : nullptr;
  const auto number = [&](size_t i) {
    const auto* held = std::get_if<int64_t>(&(*values)[i].held);
    return held ? *held : int64_t{-1};
  };
  p.require(values && values->size() == 4 && number(0) == 1 && number(3) == 1, key, " must be [1, height, width, 1]");
  return {number(1), number(2)};
}

int64_t padding_of(const Preparation& p, const std::string& name) {
  p.require(name == "SAME" || name == "VALID", "padding '", name, "' does not exist");
  return name == "SAME" ? kPaddingSame : kPaddingValid;
}

// The output positions from `begin` to `end`. What is not above the least number has the index of the first element.
template <typename Index>
void pool_with_argmax(const PoolGeometry& g, bool with_batch, const float* in, int64_t begin, int64_t end,
                      float* values, Index* indices) {
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const int64_t row = pixel / g.x.out, batch = row / g.y.out;
    const int64_t out_y = row - batch * g.y.out, out_x = pixel - row * g.x.out;
    const Window::Taps rows = g.y.taps(out_y), columns = g.x.taps(out_x);
    const int64_t image = batch * g.y.in * g.x.in * g.channels;
    for (int64_t channel = 0; channel < g.channels; ++channel) {
      float best = std::numeric_limits<float>::lowest();
      int64_t index = channel;
      for (int64_t y = g.y.origin(out_y) + rows.begin; y < g.y.origin(out_y) + rows.end; ++y) {
        for (int64_t x = g.x.origin(out_x) + columns.begin; x < g.x.origin(out_x) + columns.end; ++x) {
          const int64_t at = (y * g.x.in + x) * g.channels + channel;
          if (!(in[image + at] > best)) continue;
          best = in[image + at];
          index = at;
        }
      }
      values[pixel * g.channels + channel] = best;
      indices[pixel * g.channels + channel] = static_cast<Index>(index + (with_batch ? image : 0));
    }
  }
}

Compute prepare_pooling(Preparation& p) {
  p.expect(1, 2);
  const Shape& in = p.input(0).shape;
  for (const Operand* operand : {&p.input(0), &p.output(0)})
    if (operand->dtype != DType::float32) p.unsupported("pooling of ", dtype_name(operand->dtype));
  p.require(in.rank() == 4, "the input has shape ", in.text(), "; it must have rank 4");
  const flexbuffer::Value options = flexbuffer::decode(p.custom_options());
  const Sizes filter = sizes_of(p, options, "ksize"), stride = sizes_of(p, options, "strides");
  const int64_t padding = padding_of(p, options.text("padding"));
  const bool with_batch = options.boolean("include_batch_in_index");
  PoolGeometry g{in[0], in[3], {}, {}};
  g.y = make_window(p, padding, in[1], filter.y, stride.y, 1);
  g.x = make_window(p, padding, in[2], filter.x, stride.x, 1);
  const Shape out{g.batches, g.y.out, g.x.out, g.channels};
  p.set_output(0, out);
  p.set_output(1, out);
  if (p.output(1).dtype == DType::int32)
    p.require(in.elements() <= INT32_MAX, "int32 does not count the elements of ", in.text());
  return dispatch<int32_t, int64_t>(p, p.output(1).dtype, [&](auto type) -> Compute {
    using Index = decltype(type);
    return [g, with_batch](const Invocation& v) {
      const int64_t work = int64_t{std::min(g.y.in, g.y.filter)} * std::min(g.x.in, g.x.filter) * g.channels;
      v.parallel(g.channels > 0 ? g.pixels() : 0, grain_of(work), [&](int64_t begin, int64_t end) {
        pool_with_argmax(g, with_batch, v.in<float>(0), begin, end, v.out<float>(0), v.out<Index>(1));
      });
    };
  });
}

// The first fields of TfLitePoolParams.
struct PoolOptions {
  int32_t padding, stride_width, stride_height, filter_width, filter_height;
};

int32_t unpooled(const Preparation& p, int32_t padding, int64_t size, int64_t filter, int64_t stride) {
  p.require(stride > 0 && filter > 0, "a filter of ", filter, " in steps of ", stride);
  const int64_t result = padding == mediapipe::kSame ? size * stride : size > 0 ? (size - 1) * stride + filter : 0;
  p.require(result <= INT32_MAX, "the output has size ", result);
  return static_cast<int32_t>(result);
}

// Where a point lies between two neighbours, of which the first is at most `last`.
struct Between {
  int64_t first;
  float part;
};

Between between(float point, int64_t last) {
  const float down = std::floor(point);
  // Comparisons that NaN fails put it first, as TFLite does.
  const int64_t first = !(down > 0) ? 0 : down >= static_cast<float>(last) ? last : static_cast<int64_t>(down);
  const float part = point - static_cast<float>(first);
  return {first, part > 0 ? std::min(part, 1.0f) : 0.0f};
}

struct Image {
  int64_t height, width, channels;
};

void warp(const Image& image, const float* in, const float* flow, int64_t y, int64_t x, float* out) {
  const Between row = between(static_cast<float>(y) - flow[0], image.height - 2);
  const Between column = between(static_cast<float>(x) - flow[1], image.width - 2);
  const float* top = in + (row.first * image.width + column.first) * image.channels;
  const float* bottom = top + image.width * image.channels;
  for (int64_t c = 0; c < image.channels; ++c) {
    const float above = column.part * (top[image.channels + c] - top[c]) + top[c];
    const float below = column.part * (bottom[image.channels + c] - bottom[c]) + bottom[c];
    out[c] = row.part * (below - above) + above;
  }
}

Compute prepare_warp(Preparation& p) {
  p.expect(2, 1);
  mediapipe::require_floats(p);
  const Shape &in = p.input(0).shape, &flow = p.input(1).shape;
  p.require(in.rank() == 4 && in[1] >= 2 && in[2] >= 2, "the image has shape ", in.text(),
            "; it must have rank 4 and at least 2 rows and columns");
  p.require(flow == in.with(3, 2), "the flow has shape ", flow.text(), " for images of shape ", in.text());
  p.set_output(0, in);
  const Image image{in[1], in[2], in[3]};
  return [image, rows = int64_t{in[0]} * in[1]](const Invocation& v) {
    const int64_t row_size = image.width * image.channels;
    v.parallel(row_size > 0 ? rows : 0, grain_of(row_size), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const float* of_batch = v.in<float>(0) + row / image.height * image.height * row_size;
        for (int64_t x = 0; x < image.width; ++x)
          warp(image, of_batch, v.in<float>(1) + (row * image.width + x) * 2, row % image.height, x,
               v.out<float>(0) + row * row_size + x * image.channels);
      }
    });
  };
}

}  // namespace

Compute prepare_flat_unpooling(Preparation& p) {
  for (const Operand* operand : {&p.input(0), &p.output(0)})
    if (operand->dtype != DType::float32) p.unsupported("unpooling of ", dtype_name(operand->dtype));
  const auto o = mediapipe::read_options<PoolOptions>(p, sizeof(PoolOptions));
  const Shape& in = p.input(0).shape;
  p.require(in.rank() == 4 && p.input(1).shape == in, "the input has shape ", in.text(), " and the indices ",
            p.input(1).shape.text(), "; they must have one shape of rank 4");
  const Shape out{in[0], unpooled(p, o.padding, in[1], o.filter_height, o.stride_height),
                  unpooled(p, o.padding, in[2], o.filter_width, o.stride_width), in[3]};
  p.set_output(0, out);
  if (out.elements() == 0) return [](const Invocation&) {};
  return [batches = int64_t{in[0]}, inputs = in.product(1, 4), outputs = out.product(1, 4)](const Invocation& v) {
    std::fill_n(v.out<float>(0), batches * outputs, 0.0f);
    for (int64_t i = 0; i < batches * inputs; ++i) {
      const int64_t index = v.in<int32_t>(1)[i];
      if (index < 0 || index >= outputs)
        throw RunError(concat("index ", index, " of element ", i, " is outside an image of ", outputs));
      v.out<float>(0)[i / inputs * outputs + index] = v.in<float>(0)[i];
    }
  };
}

void register_perception(Registry& registry) {
  registry.add("DenseImageWarp", prepare_warp);
  registry.add("MaxPoolWithArgmax", prepare_pooling);
}

}  // namespace subgraft
