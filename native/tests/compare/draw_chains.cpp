// Small graphs of several ops, as real models have them: what is fused, folded, aliased or dropped between ops.
#include <algorithm>
#include <cmath>

#include "draws.h"

namespace subgraft::compare {
namespace {

using enum DType;

constexpr int64_t kLargest = 40000;  // elements

// A tensor on the way: [1 or 2, height, width, channels].
struct Image {
  int tensor;
  Dims dims;
  Scales scales;
};

class Chain {
 public:
  // hybrid: weights of 8 bits with activations of floats.
  Chain(DrawnModel& m, DType type, bool hybrid) : m_(m), random_(m.random()), type_(type), hybrid_(hybrid) {
    const Dims dims = {random_.once_in(4) ? 2 : 1, random_.size(14), random_.size(14), random_.size(40)};
    const Scales scales = draw_scales(random_, type);
    images_.push_back({m_.fed(type, dims, scales), dims, scales});
    if (random_.once_in(3)) images_.push_back({m_.fed(type, dims, scales), dims, scales});
  }

  void add_step() {
    switch (random_.below(21)) {
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
      case 12:
        return clamp_and_pad(any());
      case 13:
        return convolve_depthwise(pad(any()));
      case 14:
        return pool(pad(any()));
      case 15:
        return convolve_transposed(any());
      case 16:
        return scale_channels(any());
      case 17:
        convolve(any());
        return activate(images_.back());
      case 18:
        return multiply(any());
      default:
        return add_residual(any());
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
    if (type_ == float32 && !hybrid_) {
      m_.scale_floats(0.3 / std::sqrt(static_cast<double>(taps)));
      const int made = random_.once_in(4) ? m_.half_constant(dims) : m_.constant(float32, dims);
      m_.scale_floats(0.3);
      return made;
    }
    if (type_ == uint8) return m_.constant(uint8, dims, Scales::of(0.01, 120));
    const float scale = type_ == int16 || hybrid_ ? 0.01f / std::sqrt(static_cast<float>(taps)) : 0.01f;
    Scales scales = Scales::of(scale);
    if (random_.once_in(2)) {
      scales.axis = axis;
      scales.scale.assign(static_cast<size_t>(channels), scale);
      scales.zero.assign(static_cast<size_t>(channels), 0);
    }
    return m_.constant(int8, dims, scales);
  }
  int bias(int32_t channels) {
    m_.limit_integers(2000);
    const DType type = type_ == float32 ? float32 : type_ == int16 ? int64 : int32;
    return random_.once_in(4) ? -1 : m_.constant(type, {channels});
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
    const bool same = random_.once_in(2) || x.dims[1] < k || x.dims[2] < k;
    const int w = weights({1, k, k, channels}, int64_t{k} * k, channels, 3);
    const auto size = [&](int32_t in) { return same ? (in + stride - 1) / stride : (in - k) / stride + 1; };
    const Image y = make({x.dims[0], size(x.dims[1]), size(x.dims[2]), channels});
    OptionList options = window(same, stride);
    options.emplace_back("depth_multiplier", 1);
    m_.add("DEPTHWISE_CONV_2D", {x.tensor, w, bias(channels)}, {y.tensor}, options);
    keep(y);
    if (random_.once_in(2)) convolve(y);
  }
  void convolve_transposed(Image x) {
    const int32_t k = random_.pick({2, 3}), out = random_.size(20);
    const Image y = make({x.dims[0], 2 * x.dims[1], 2 * x.dims[2], out});
    if (elements_of(y.dims) > kLargest) return;
    const int shape = m_.integers(y.dims), w = weights({out, k, k, x.dims[3]}, int64_t{k} * x.dims[3], out, 0);
    m_.add("TRANSPOSE_CONV", {shape, w, x.tensor, bias(out)}, {y.tensor}, window(true, 2));
    keep(y);
  }
  // A convolution that keeps the shape, what it began with added, and perhaps an activation.
  void add_residual(Image x) {
    const int32_t channels = x.dims[3], k = random_.pick({1, 3});
    const int w = weights({channels, k, k, channels}, int64_t{k} * k * channels, channels, 0);
    const Image y = make(x.dims), z = make(x.dims);
    m_.add("CONV_2D", {x.tensor, w, bias(channels)}, {y.tensor}, window(true, 1));
    const bool first = random_.once_in(2);
    m_.add("ADD", {first ? x.tensor : y.tensor, first ? y.tensor : x.tensor}, {z.tensor},
           {{"fused_activation_function", draw_activation(random_)}, {"pot_scale_int16", 0}});
    keep(z);
    if (random_.once_in(3)) activate(z);
  }
  // FULLY_CONNECTED of every position, and perhaps what it may take over.
  void multiply(Image x) {
    const bool adds = random_.once_in(3);
    const int32_t depth = x.dims[3], units = adds ? depth : random_.size(60);
    Dims dims = x.dims;
    dims[3] = units;
    const int w = weights({units, depth}, depth, units, 0);
    const Image y = make(dims);
    m_.add("FULLY_CONNECTED", {x.tensor, w, bias(units)}, {y.tensor},
           {{"fused_activation_function", draw_activation(random_)}, {"keep_num_dims", 1}});
    keep(y);
    if (!adds) return random_.once_in(2) ? activate(y) : scale_channels(y);
    const Image z = make(dims);
    m_.add("ADD", {y.tensor, x.tensor}, {z.tensor},
           {{"fused_activation_function", draw_activation(random_)}, {"pot_scale_int16", 0}});
    keep(z);
  }
  void activate(Image x) {
    const bool is_wide = type_ == int16;
    if (random_.once_in(4) && !is_wide) return prelu(x);
    same_shape(is_wide ? random_.pick({"RELU", "TANH"}) : random_.pick({"RELU", "RELU6", "HARD_SWISH", "LEAKY_RELU"}),
               x);
  }
  void prelu(Image x) {
    const Dims dims = random_.once_in(3) ? Dims{1, 1, 1} : Dims{1, 1, x.dims[3]};
    const Image y = make(x.dims);
    m_.scale_floats(0.3);
    m_.add("PRELU", {x.tensor, m_.constant(type_, dims, draw_scales(random_, type_))}, {y.tensor});
    keep(y);
  }
  // Times or plus a constant for each channel, or one for all.
  void scale_channels(Image x) {
    const Dims dims = random_.once_in(3) ? Dims{} : Dims{x.dims[3]};
    const Image y = make(x.dims);
    m_.scale_floats(0.3);
    const int by = m_.constant(type_, dims, draw_scales(random_, type_));
    const bool first = random_.once_in(4);
    m_.add(random_.pick({"MUL", "ADD", "SUB"}), {first ? by : x.tensor, first ? x.tensor : by}, {y.tensor},
           {{"fused_activation_function", draw_activation(random_)}, {"pot_scale_int16", 0}});
    keep(y);
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
           {{"fused_activation_function", draw_activation(random_)}, {"pot_scale_int16", 0}});
    keep(y);
  }

  void concatenate(Image x) {
    Image y{-1, x.dims, x.scales};
    const int64_t axis = random_.pick<int64_t>({3, 3, 3, 2, 1, 0});
    std::vector<int32_t> inputs = {x.tensor};
    for (const Image& other : images_) {
      const bool is_alike =
          type_ == float32 || (other.scales.scale == x.scales.scale && other.scales.zero == x.scales.zero);
      bool fits = is_alike && inputs.size() < 4 && elements_of(y.dims) < kLargest;
      for (int64_t i = 0; i < 4; ++i)
        fits = fits && (i == axis || x.dims[static_cast<size_t>(i)] == other.dims[static_cast<size_t>(i)]);
      if (!fits || random_.once_in(3)) continue;
      inputs.push_back(other.tensor);
      y.dims[static_cast<size_t>(axis)] += other.dims[static_cast<size_t>(axis)];
    }
    y.tensor = m_.made(type_, y.scales);
    m_.add("CONCATENATION", inputs, {y.tensor}, {{"axis", static_cast<double>(random_.once_in(2) ? axis : axis - 4)}});
    keep(y);
  }

  // How numbers from 0 to 1 are quantized.
  Scales shares() const {
    return type_ == int16 ? Scales::of(1.0 / 32768) : Scales::of(1.0 / 256, type_ == int8 ? -128 : 0);
  }
  void same_shape(const char* op, Image x) {
    Image y = make(x.dims);
    const bool bounded = op == std::string_view("LOGISTIC") || op == std::string_view("TANH");
    if (bounded && type_ != float32) {
      y.scales = shares();
      y.tensor = m_.made(type_, y.scales);
    }
    m_.add(op, {x.tensor}, {y.tensor}, {{"alpha", 0.2}});
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
    m_.add("SOFTMAX", {y.tensor}, {m_.result(type_, type_ == float32 ? Scales{} : shares())}, {{"beta", 1}});
  }

  DrawnModel& m_;
  Random& random_;
  DType type_;
  bool hybrid_;
  std::vector<Image> images_;
};

void draw_chain(DrawnModel& m, std::string_view op) {
  const bool hybrid = op == "chain/hybrid";
  const DType type = op == "chain/int8" ? int8 : op == "chain/uint8" ? uint8 : op == "chain/int16" ? int16 : float32;
  // A float that quantizes to another step on the way changes all that follows.
  m.allow(hybrid ? 5e-2 : 1e-4, 1);
  Chain chain(m, type, hybrid);
  for (int64_t steps = m.random().between(2, 9); steps > 0; --steps) chain.add_step();
  chain.finish();
}

constexpr Draw kDraws[] = {
    {"chain/float32", draw_chain}, {"chain/hybrid", draw_chain}, {"chain/int8", draw_chain},
    {"chain/uint8", draw_chain},   {"chain/int16", draw_chain},
};

}  // namespace

std::span<const Draw> chain_draws() { return kDraws; }

}  // namespace subgraft::compare
