// Small graphs of several ops, as real models have them: what is fused, folded, aliased or dropped between ops.
#include <algorithm>
#include <cmath>

#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

// A tensor on the way: [1 or 2, height, width, channels].
struct Image {
  int tensor;
  Dims dims;
  Scales scales;
};

class Chain {
 public:
  Chain(DrawnModel& m, DType type) : m_(m), random_(m.random()), type_(type) {
    const Dims dims = {random_.once_in(4) ? 2 : 1, random_.size(14), random_.size(14), random_.size(40)};
    const Scales scales = draw_scales(random_, type);
    images_.push_back({m_.fed(type, dims, scales), dims, scales});
    if (random_.once_in(3)) images_.push_back({m_.fed(type, dims, scales), dims, scales});
  }

  void add_step() {
    switch (random_.below(13)) {
      case 0:
      case 1:
        return convolve(any());
      case 2:
        return convolve_depthwise(any());
      case 3:
        return convolve(pad(any()));
      case 4:
        return add_to_another(any());
      case 5:
        return concatenate(any());
      case 6:
        return same_shape("RELU", any());
      case 7:
        return swish(any());
      case 8:
        return pool(any());
      case 9:
        return reshape(any());
      case 10:
        return split(any());
      case 11:
        return slice(any());
      default:
        return clamp_and_pad(any());
    }
  }

  // The last tensor, and some of the others; what leads to none of them is dead.
  void finish() {
    const bool all = random_.once_in(4);
    for (size_t i = 0; i + 1 < images_.size(); ++i)
      if (all || random_.once_in(6)) m_.give(images_[i].tensor);
    if (random_.once_in(3)) return classify(images_.back());
    m_.give(images_.back().tensor);
  }

 private:
  const Image& any() {
    const auto count = static_cast<int64_t>(images_.size());
    return images_[static_cast<size_t>(random_.once_in(2) ? count - 1 : random_.below(count))];
  }

  Image make(const Dims& dims, const Scales& scales) { return {m_.made(type_, scales), dims, scales}; }
  Image make(const Dims& dims) { return make(dims, draw_scales(random_, type_)); }
  void keep(const Image& image) { images_.push_back(image); }

  // Weights that keep the size of what they multiply, its scale, and the bias's.
  int weights(const Dims& dims, int64_t taps, int32_t channels, int32_t axis) {
    if (type_ == float32) {
      m_.scale_floats(0.3 / std::sqrt(static_cast<double>(taps)));
      const int made = m_.constant(float32, dims);
      m_.scale_floats(0.3);
      return made;
    }
    if (type_ == uint8) return m_.constant(uint8, dims, Scales::of(0.01, 120));
    Scales scales = Scales::of(0.01);
    if (random_.once_in(2)) {
      scales.axis = axis;
      scales.scale.assign(static_cast<size_t>(channels), 0.01f);
      scales.zero.assign(static_cast<size_t>(channels), 0);
    }
    return m_.constant(int8, dims, scales);
  }
  int bias(int32_t channels) {
    m_.limit_integers(2000);
    return random_.once_in(4) ? -1 : m_.constant(type_ == float32 ? float32 : int32, {channels});
  }

  void convolve(Image x) {
    const int32_t k = random_.pick({1, 1, 3, 3, 2}), stride = random_.pick({1, 1, 2}), out = random_.size(40);
    const bool same = random_.once_in(2) || x.dims[1] < k || x.dims[2] < k;
    const int w = weights({out, k, k, x.dims[3]}, int64_t{k} * k * x.dims[3], out, 0);
    const auto size = [&](int32_t in) { return same ? (in + stride - 1) / stride : (in - k) / stride + 1; };
    const Image y = make({x.dims[0], size(x.dims[1]), size(x.dims[2]), out});
    m_.add("CONV_2D", {x.tensor, w, bias(out)}, {y.tensor}, window(same, stride));
    keep(y);
  }
  void convolve_depthwise(Image x) {
    const int32_t k = random_.pick({3, 3, 5}), stride = random_.pick({1, 1, 2}), channels = x.dims[3];
    const int w = weights({1, k, k, channels}, int64_t{k} * k, channels, 3);
    const auto size = [&](int32_t in) { return (in + stride - 1) / stride; };
    const Image y = make({x.dims[0], size(x.dims[1]), size(x.dims[2]), channels});
    OptionList options = window(true, stride);
    options.emplace_back("depth_multiplier", 1);
    m_.add("DEPTHWISE_CONV_2D", {x.tensor, w, bias(channels)}, {y.tensor}, options);
    keep(y);
    if (random_.once_in(2)) convolve(y);
  }
  OptionList window(bool same, int32_t stride) {
    return {{"padding", same ? kPaddingSame : kPaddingValid},
            {"stride_h", stride},
            {"stride_w", stride},
            {"fused_activation_function", draw_activation(random_)}};
  }

  Image pad(Image x) {
    const auto side = [&] { return static_cast<int32_t>(random_.below(3)); };
    const int32_t top = side(), bottom = side(), left = side(), right = side();
    const int paddings = m_.integers({4, 2}, {0, 0, top, bottom, left, right, 0, 0});
    const Image y = make({x.dims[0], x.dims[1] + top + bottom, x.dims[2] + left + right, x.dims[3]}, x.scales);
    m_.add("PAD", {x.tensor, paddings}, {y.tensor});
    if (random_.once_in(4)) keep(y);
    return y;
  }
  void clamp_and_pad(Image x) {
    same_shape(random_.once_in(2) ? "RELU6" : "LOGISTIC", x);
    if (random_.once_in(2)) keep(pad(images_.back()));
  }

  void add_to_another(Image x) {
    std::vector<Image> fitting;
    for (const Image& other : images_)
      if (other.dims == x.dims) fitting.push_back(other);
    const Image other = fitting[static_cast<size_t>(random_.below(static_cast<int64_t>(fitting.size())))];
    const Image y = make(x.dims);
    m_.add(random_.pick({"ADD", "ADD", "SUB", "MUL"}), {x.tensor, other.tensor}, {y.tensor},
           {{"fused_activation_function", draw_activation(random_)}});
    keep(y);
  }

  void concatenate(Image x) {
    Image y{-1, x.dims, x.scales};
    std::vector<int32_t> inputs = {x.tensor};
    for (const Image& other : images_) {
      const bool fits =
          std::equal(x.dims.begin(), x.dims.end() - 1, other.dims.begin()) && inputs.size() < 4 &&
          (type_ == float32 || (other.scales.scale == x.scales.scale && other.scales.zero == x.scales.zero));
      if (!fits || random_.once_in(3)) continue;
      inputs.push_back(other.tensor);
      y.dims[3] += other.dims[3];
    }
    y.tensor = m_.made(type_, y.scales);
    m_.add("CONCATENATION", inputs, {y.tensor}, {{"axis", random_.once_in(2) ? 3 : -1}});
    keep(y);
  }

  void same_shape(const char* op, Image x) {
    Image y = make(x.dims);
    if (op == std::string_view("LOGISTIC") && type_ != float32) {
      y.scales = Scales::of(1.0 / 256, type_ == int8 ? -128 : 0);
      y.tensor = m_.made(type_, y.scales);
    }
    m_.add(op, {x.tensor}, {y.tensor});
    keep(y);
  }
  void swish(Image x) {
    same_shape("LOGISTIC", x);
    const Image y = make(x.dims);
    m_.add("MUL", {x.tensor, images_.back().tensor}, {y.tensor}, {{"fused_activation_function", 0}});
    keep(y);
  }

  void pool(Image x) {
    const Image y = make({x.dims[0], (x.dims[1] + 1) / 2, (x.dims[2] + 1) / 2, x.dims[3]}, x.scales);
    OptionList options = window(true, 2);
    options.insert(options.end(), {{"filter_height", 2}, {"filter_width", 2}});
    m_.add(random_.once_in(2) ? "MAX_POOL_2D" : "AVERAGE_POOL_2D", {x.tensor}, {y.tensor}, options);
    keep(y);
  }
  void reshape(Image x) {
    const Image y = make({x.dims[0], x.dims[2], x.dims[1], x.dims[3]}, x.scales);
    m_.add("RESHAPE", {x.tensor, m_.integers(y.dims)}, {y.tensor});
    keep(y);
  }
  void split(Image x) {
    if (x.dims[3] % 2 != 0) return convolve(x);
    const Dims half = {x.dims[0], x.dims[1], x.dims[2], x.dims[3] / 2};
    const int axis = m_.integers({}, {3});
    const Image a = make(half, x.scales), b = make(half, x.scales);
    m_.add("SPLIT", {axis, x.tensor}, {a.tensor, b.tensor}, {{"num_splits", 2}});
    keep(a);
    keep(b);
  }
  void slice(Image x) {
    Image y{-1, x.dims, x.scales};
    std::vector<int32_t> begin, size;
    for (int32_t& dim : y.dims) {
      begin.push_back(random_.once_in(2) ? 0 : static_cast<int32_t>(random_.below(dim)));
      dim -= begin.back();
      size.push_back(dim);
    }
    y.tensor = m_.made(type_, y.scales);
    const int from = m_.integers(begin), how_many = m_.integers(size);
    m_.add("SLICE", {x.tensor, from, how_many}, {y.tensor});
    keep(y);
  }
  void classify(Image x) {
    const int32_t channels = x.dims[3], units = random_.size(30);
    const Image mean = make({x.dims[0], channels});
    m_.add("MEAN", {x.tensor, m_.integers({1, 2})}, {mean.tensor});
    const int w = weights({units, channels}, channels, units, 0);
    const Image y = make({x.dims[0], units});
    m_.add("FULLY_CONNECTED", {mean.tensor, w, bias(units)}, {y.tensor});
    const Scales scales = type_ == float32 ? Scales{} : Scales::of(1.0 / 256, type_ == int8 ? -128 : 0);
    m_.add("SOFTMAX", {y.tensor}, {m_.result(type_, scales)}, {{"beta", 1}});
  }

  DrawnModel& m_;
  Random& random_;
  DType type_;
  std::vector<Image> images_;
};

void draw_chain(DrawnModel& m, std::string_view op) {
  const DType type = op == "chain/float32" ? float32 : op == "chain/int8" ? int8 : uint8;
  m.allow(1e-4, 1);
  Chain chain(m, type);
  for (int64_t steps = m.random().between(2, 9); steps > 0; --steps) chain.add_step();
  chain.finish();
}

constexpr Draw kDraws[] = {
    {"chain/float32", draw_chain},
    {"chain/int8", draw_chain},
    {"chain/uint8", draw_chain},
};

}  // namespace

std::span<const Draw> chain_draws() { return kDraws; }

}  // namespace subgraft::compare
