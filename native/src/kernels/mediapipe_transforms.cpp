// MediaPipe's TransformTensorBilinear (version 1 is called TransformTensor too) and TransformLandmarks: pixels and
// landmarks through the matrix that Landmarks2TransformMatrix makes.
#include <cmath>

#include "kernels/dot.h"
#include "kernels/families.h"
#include "kernels/mediapipe.h"
#include "model/flexbuffer.h"

namespace subgraft {
namespace {

// The first two rows of a 4 x 4 matrix, for points (x, y, 0, 1).
struct Transform {
  float x[4], y[4];

  explicit Transform(const float* matrix) {
    std::copy(matrix, matrix + 4, x);
    std::copy(matrix + 4, matrix + 8, y);
  }
  static float apply(const float* row, float x, float y) { return row[0] * x + row[1] * y + row[2] * 0.0f + row[3]; }
};

void require_matrix(const Preparation& p, int i) {
  p.require(p.input(i).shape.elements() == 16, "the matrix has shape ", p.input(i).shape.text());
}

struct Image {
  int32_t height, width, channels;
};

// The pixels around a place in the image, and its distance from the upper left one.
class Place {
 public:
  Place(const Image& image, float x, float y)
      : image_(image),
        inside_(x >= 0 && x <= static_cast<float>(image.width - 1) && y >= 0 &&
                y <= static_cast<float>(image.height - 1)) {
    if (!inside_) return;  // NaN too
    column_ = static_cast<int64_t>(x);
    row_ = static_cast<int64_t>(y);
    right_ = x - std::floor(x);
    lower_ = y - std::floor(y);
  }

  // The value between four pixels; 0 outside the image. In the precision of MediaPipe, which is not always double.
  float value(const float* data, int32_t channel) const {
    if (!inside_) return 0;
    const auto at = [&](int64_t row, int64_t column) {
      const bool exists = row < image_.height && column < image_.width;
      return exists ? data[(row * image_.width + column) * image_.channels + channel] : 0.0f;
    };
    const auto upper = static_cast<float>((1.0 - right_) * at(row_, column_) + right_ * at(row_, column_ + 1));
    const auto lower = static_cast<float>((1.0 - right_) * at(row_ + 1, column_) + right_ * at(row_ + 1, column_ + 1));
    return static_cast<float>(lower_ * lower + (1.0 - lower_) * upper);
  }

 private:
  const Image& image_;
  bool inside_;
  int64_t column_ = 0, row_ = 0;
  float right_ = 0, lower_ = 0;
};

struct Output {
  int64_t height = 0, width = 0;
};

Output output_size(const Preparation& p) {
  const flexbuffer::Value map = flexbuffer::decode(p.custom_options());
  if (p.version() == 2) return {map.integer("output_height"), map.integer("output_width")};
  if (p.version() != 1) p.unsupported("version ", p.version());
  if (map.find("mode") && map.text("mode") != "bilinear") p.unsupported("mode '", map.text("mode"), "'");
  const flexbuffer::Value* size = map.find("output_size");
  const auto* numbers = size ? std::get_if<flexbuffer::Vector>(&size->held) : nullptr;
  p.require(numbers && numbers->size() == 2, "output_size is no list of 2 numbers");
  Output output;
  for (const auto& [target, i] : {std::pair{&output.height, 0}, std::pair{&output.width, 1}})
    if (const auto* number = std::get_if<int64_t>(&(*numbers)[i].held)) *target = *number;
  return output;
}

Compute prepare_transform_tensor(Preparation& p) {
  p.expect(2, 1);
  mediapipe::require_floats(p);
  require_matrix(p, 1);
  const Shape& in = p.input(0).shape;
  p.require(in.rank() == 4 && in[0] == 1, "the input has shape ", in.text(),
            "; it must be [1, height, width, channels]");
  const Image image{in[1], in[2], in[3]};
  const Output o = output_size(p);
  p.require(o.height > 0 && o.height <= INT32_MAX && o.width > 0 && o.width <= INT32_MAX, "the output has size ",
            o.height, " x ", o.width);
  p.set_output(0, Shape{1, static_cast<int32_t>(o.height), static_cast<int32_t>(o.width), image.channels});
  const bool centred = p.version() == 2;  // pixels are areas: the first one's middle is at (1/2, 1/2)
  return [=](const Invocation& v) {
    Transform t(v.in<float>(1));
    if (centred)
      for (float* row : {t.x, t.y}) row[3] = static_cast<float>(row[3] + (row[0] * 0.5 + row[1] * 0.5 - 0.5));
    v.parallel(o.height * o.width, grain_of(8 * int64_t{image.channels}), [&](int64_t begin, int64_t end) {
      float* out = v.out<float>(0) + begin * image.channels;
      for (int64_t i = begin; i < end; ++i) {
        const auto x = static_cast<float>(i % o.width), y = static_cast<float>(i / o.width);
        const Place place(image, Transform::apply(t.x, x, y), Transform::apply(t.y, x, y));
        for (int32_t c = 0; c < image.channels; ++c) *out++ = place.value(v.in<float>(0), c);
      }
    });
  };
}

// Coordinates of a landmark, and what the matrix's shifts are multiplied with.
struct LandmarkOptions {
  int64_t dimensions;
  float scale;

  explicit LandmarkOptions(const Preparation& p) {
    const Shape& in = p.input(0).shape;
    if (p.version() == 2) {
      p.require(in.rank() == 3, "landmarks have shape ", in.text(), "; they must have rank 3");
      dimensions = in[2];
      scale = 1;
    } else {
      if (p.version() != 1) p.unsupported("version ", p.version());
      p.require(in.rank() == 4, "landmarks have shape ", in.text(), "; they must have rank 4");
      const flexbuffer::Value map = flexbuffer::decode(p.custom_options());
      dimensions = map.integer("dimensions");
      scale = static_cast<float>(map.real("scale"));
    }
    p.require(dimensions == 2 || dimensions == 3, "landmarks have ", dimensions, " dimensions");
    p.require(in.back(0) % dimensions == 0, "landmarks of ", dimensions, " dimensions do not divide ", in.back(0));
    p.require(scale != 0, "scale is 0");
  }
};

Compute prepare_transform_landmarks(Preparation& p) {
  p.expect(2, 1);
  mediapipe::require_floats(p);
  require_matrix(p, 1);
  const LandmarkOptions o(p);
  const Shape& shape = p.input(0).shape;
  p.set_output(0, shape);
  return [o, count = shape.elements()](const Invocation& v) {
    Transform t(v.in<float>(1));
    for (float* row : {t.x, t.y}) row[3] *= o.scale;
    const float* in = v.in<float>(0);
    float* out = v.out<float>(0);
    for (int64_t i = 0; i < count; i += o.dimensions) {
      out[i] = Transform::apply(t.x, in[i], in[i + 1]);
      out[i + 1] = Transform::apply(t.y, in[i], in[i + 1]);
      if (o.dimensions == 3) out[i + 2] = in[i + 2];
    }
  };
}

}  // namespace

void register_transforms(Registry& registry) {
  registry.add("TransformTensor", prepare_transform_tensor);
  registry.add("TransformTensorBilinear", prepare_transform_tensor);
  registry.add("TransformLandmarks", prepare_transform_landmarks);
}

}  // namespace subgraft
