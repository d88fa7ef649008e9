// MediaPipe's Landmarks2TransformMatrix: where the landmarks of a region lie, as a matrix from the pixels of an upright
// crop to those of the image. Version 1 and version 2 are different ops.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "kernels/families.h"
#include "kernels/mediapipe.h"
#include "model/flexbuffer.h"

namespace subgraft {
namespace {

constexpr int kCoordinates = 3;  // of a landmark: x, y, z

template <int n>
struct Matrix {
  std::array<std::array<float, n>, n> rows;

  friend Matrix operator*(const Matrix& a, const Matrix& b) {
    Matrix product{};
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < n; ++j)
        for (int k = 0; k < n; ++k) product.rows[i][j] += a.rows[i][k] * b.rows[k][j];
    return product;
  }
};

// The options' numbers under a key that is a list; none where it is absent.
std::vector<int64_t> integers(const Preparation& p, const flexbuffer::Value& map, std::string_view key) {
  std::vector<int64_t> numbers;
  const flexbuffer::Value* list = map.find(key);
  const auto* values = list ? std::get_if<flexbuffer::Vector>(&list->held) : nullptr;
  if (!values) return numbers;
  for (const flexbuffer::Value& value : *values) {
    const auto* number = std::get_if<int64_t>(&value.held);
    const auto* natural = std::get_if<uint64_t>(&value.held);
    p.require(number || natural, key, " holds something else than integers");
    numbers.push_back(number ? *number : static_cast<int64_t>(*natural));
  }
  return numbers;
}

// An index of a landmark that the input has.
int64_t landmark(const Preparation& p, const char* key, int64_t index) {
  const int64_t count = p.input(0).shape.elements() / kCoordinates;
  p.require(index >= 0 && index < count, key, " refers to landmark ", index, " of ", count);
  return index;
}

std::vector<int64_t> landmarks(const Preparation& p, const flexbuffer::Value& map, const char* key) {
  std::vector<int64_t> indices = integers(p, map, key);
  p.require(!indices.empty(), key, " is empty");
  for (const int64_t index : indices) landmark(p, key, index);
  return indices;
}

float positive(const Preparation& p, const char* key, double value) {
  p.require(value > 0 && std::isfinite(value), key, " is ", value);
  return static_cast<float>(value);
}

struct Size {
  float height = 0, width = 0;

  static Size of(const Preparation& p, const flexbuffer::Value& map, const char* key) {
    const std::vector<int64_t> numbers = integers(p, map, key);
    p.require(numbers.size() == 2, key, " has ", numbers.size(), " numbers; it needs 2");
    return {positive(p, key, static_cast<double>(numbers[0])), positive(p, key, static_cast<double>(numbers[1]))};
  }
};

struct Point {
  float x, y;

  static Point at(const float* landmarks, int64_t index) {
    return {landmarks[kCoordinates * index], landmarks[kCoordinates * index + 1]};
  }
  Point turned(float radians) const {
    const float cosine = std::cos(radians), sine = std::sin(radians);
    return {x * cosine - y * sine, x * sine + y * cosine};
  }
};

// The smallest upright rectangle around the turned landmarks.
struct Box {
  Point low, high;

  Box(const float* landmarks, const std::vector<int64_t>& subset, float radians)
      : low(Point::at(landmarks, subset[0]).turned(radians)), high(low) {
    for (const int64_t index : subset) {
      const Point point = Point::at(landmarks, index).turned(radians);
      low = {std::min(low.x, point.x), std::min(low.y, point.y)};
      high = {std::max(high.x, point.x), std::max(high.y, point.y)};
    }
  }
  Point middle() const { return {(high.x + low.x) / 2, (high.y + low.y) / 2}; }
};

// Landmarks are numbers up to `range`, and so is the crop relative to the image.
class Version1 {
 public:
  explicit Version1(const Preparation& p) {
    const flexbuffer::Value map = flexbuffer::decode(p.custom_options());
    p.require(map.integer("dimensions") == kCoordinates, "dimensions is ", map.integer("dimensions"));
    range_ = positive(p, "landmarks_range", static_cast<double>(map.integer("landmarks_range")));
    multiplier_ = static_cast<float>(map.real("bbox_size_multiplier"));
    p.require(multiplier_ != 0, "bbox_size_multiplier is 0");
    left_ = landmark(p, "left_rotation_idx", map.integer("left_rotation_idx"));
    right_ = landmark(p, "right_rotation_idx", map.integer("right_rotation_idx"));
    subset_ = landmarks(p, map, "subset");
    input_ = Size::of(p, map, "input_hw");
    output_ = Size::of(p, map, "output_hw");
  }

  void operator()(const float* landmarks, float* out) const {
    const Point left = Point::at(landmarks, left_), right = Point::at(landmarks, right_);
    const float alpha = -std::atan((right.y - left.y) / (right.x - left.x));
    const Box box(landmarks, subset_, alpha);
    const Matrix<3> scale{{{{(box.high.x - box.low.x) * multiplier_ / range_, 0, 0},
                            {0, (box.high.y - box.low.y) * multiplier_ / range_, 0},
                            {0, 0, 1}}}};
    const Point middle = box.middle().turned(-alpha);
    const float cosine = std::cos(-alpha), sine = std::sin(-alpha);
    const Matrix<3> rotation{
        {{{cosine, -sine, middle.x / range_ * 2 - 1}, {sine, cosine, middle.y / range_ * 2 - 1}, {0, 0, 1}}}};
    const Matrix<3> to_relative{{{{2 / (output_.width - 1), 0, -1}, {0, 2 / (output_.height - 1), -1}, {0, 0, 1}}}};
    const float half_width = (input_.width - 1) / 2, half_height = (input_.height - 1) / 2;
    const Matrix<3> to_absolute{{{{half_width, 0, half_width}, {0, half_height, half_height}, {0, 0, 1}}}};
    const auto& m = (to_absolute * rotation * scale * to_relative).rows;
    const float result[] = {m[0][0], m[0][1], 0,       m[0][2], m[1][0], m[1][1], 0, m[1][2],
                            m[2][0], m[2][1], m[2][2], 0,       0,       0,       0, 1};
    std::copy(std::begin(result), std::end(result), out);
  }

 private:
  float range_, multiplier_;
  int64_t left_, right_;
  std::vector<int64_t> subset_;
  Size input_, output_;
};

// Landmarks are pixels.
class Version2 {
 public:
  explicit Version2(const Preparation& p) {
    const flexbuffer::Value map = flexbuffer::decode(p.custom_options());
    left_ = landmark(p, "left_rotation_idx", map.integer("left_rotation_idx"));
    right_ = landmark(p, "right_rotation_idx", map.integer("right_rotation_idx"));
    subset_ = landmarks(p, map, "subset_idxs");
    target_ = static_cast<float>(map.real("target_rotation_radians"));
    output_.height = positive(p, "output_height", static_cast<double>(map.integer("output_height")));
    output_.width = positive(p, "output_width", static_cast<double>(map.integer("output_width")));
    scale_x_ = positive(p, "scale_x", map.real("scale_x"));
    scale_y_ = positive(p, "scale_y", map.real("scale_y"));
  }

  void operator()(const float* landmarks, float* out) const {
    const Point left = Point::at(landmarks, left_), right = Point::at(landmarks, right_);
    const float radians = target_ - std::atan2(right.y - left.y, right.x - left.x);
    const Box box(landmarks, subset_, radians);
    const Point middle = box.middle().turned(-radians);
    const float cosine = std::cos(-radians), sine = std::sin(-radians);
    const float x = scale_x_ * (box.high.x - box.low.x) / output_.width;
    const float y = scale_y_ * (box.high.y - box.low.y) / output_.height;
    const Matrix<4> result = shift(middle.x, middle.y) *
                             Matrix<4>{{{{cosine, -sine, 0, 0}, {sine, cosine, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}}} *
                             Matrix<4>{{{{x, 0, 0, 0}, {0, y, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}}} *
                             shift(-output_.width / 2, -output_.height / 2);
    for (const auto& row : result.rows) out = std::copy(row.begin(), row.end(), out);
  }

 private:
  static Matrix<4> shift(float x, float y) { return {{{{1, 0, 0, x}, {0, 1, 0, y}, {0, 0, 1, 0}, {0, 0, 0, 1}}}}; }

  int64_t left_, right_;
  std::vector<int64_t> subset_;
  float target_, scale_x_, scale_y_;
  Size output_;
};

template <typename Version>
Compute run(const Preparation& p) {
  return [version = std::make_shared<const Version>(p)](const Invocation& v) {
    (*version)(v.in<float>(0), v.out<float>(0));
  };
}

Compute prepare_landmarks_to_matrix(Preparation& p) {
  p.expect(1, 1);
  mediapipe::require_floats(p);
  p.set_output(0, Shape{1, 4, 4});
  const Shape& in = p.input(0).shape;
  if (p.version() == 1) {
    p.require(in.rank() == 4 && in.product(0, 3) == 1, "landmarks have shape ", in.text(), "; it must be [1, 1, 1, n]");
    return run<Version1>(p);
  }
  if (p.version() != 2) p.unsupported("version ", p.version());
  p.require(in.rank() == 3 && in[0] == 1 && in[2] == kCoordinates, "landmarks have shape ", in.text(),
            "; it must be [1, n, 3]");
  return run<Version2>(p);
}

}  // namespace

void register_landmarks(Registry& registry) { registry.add("Landmarks2TransformMatrix", prepare_landmarks_to_matrix); }

}  // namespace subgraft
