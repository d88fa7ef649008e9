// RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR.
#include "micro/resize.h"

#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "kernels/families.h"
#include "kernels/movement.h"
#include "kernels/slots.h"

namespace subgraft {
namespace {

struct ResizePlan {
  int64_t batches = 0, in_height = 0, in_width = 0, out_height = 0, out_width = 0, depth = 0;
  bool align_corners = false, half_pixel_centers = false;

  int64_t rows() const { return batches * out_height; }
};

// Sets output 0.
ResizePlan plan_resize(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  p.require(shape.rank() == 4, "input of shape ", shape.text(), " is not an image batch");
  const auto size = p.value<int32_t>(1);
  p.require(size.size() == 2 && size[0] > 0 && size[1] > 0, "size must be two positive numbers");
  const Shape output{shape[0], size[0], size[1], shape[3]};
  p.set_output(0, output);
  ResizePlan plan;
  plan.align_corners = p.options().boolean("align_corners");
  plan.half_pixel_centers = p.options().boolean("half_pixel_centers");
  if (output.elements() == 0) return plan;
  p.require(shape.elements() > 0, "nothing to resize in shape ", shape.text());
  plan.batches = shape[0];
  plan.in_height = shape[1];
  plan.in_width = shape[2];
  plan.out_height = output[1];
  plan.out_width = output[2];
  plan.depth = shape[3];
  return plan;
}

// The two neighbours of an output position along one axis, and how far it lies from the first.
template <typename Fraction>
struct Neighbours {
  int64_t low, high;
  Fraction fraction;
};

// In single precision, for float32 and uint8.
class FloatAxis {
 public:
  FloatAxis(const ResizePlan& plan, int64_t in_size, int64_t out_size)
      : size_(in_size), half_pixel_centers_(plan.half_pixel_centers) {
    scale_ = plan.align_corners && out_size > 1 ? static_cast<float>(in_size - 1) / static_cast<float>(out_size - 1)
                                                : static_cast<float>(in_size) / static_cast<float>(out_size);
  }

  Neighbours<float> at(int64_t i) const {
    const float position =
        half_pixel_centers_ ? (static_cast<float>(i) + 0.5f) * scale_ - 0.5f : static_cast<float>(i) * scale_;
    const int64_t last = size_ - 1;
    const int64_t low = std::clamp<int64_t>(static_cast<int64_t>(std::floor(position)), 0, last);
    const int64_t high = std::min(static_cast<int64_t>(std::ceil(position)), last);
    return {low, high, position - static_cast<float>(low)};
  }

 private:
  int64_t size_;
  bool half_pixel_centers_;
  float scale_;
};

// In units of 1/1024, for int8 and int16.
class FixedAxis {
 public:
  static constexpr int64_t kOne = 1 << 10;

  FixedAxis(const ResizePlan& plan, int64_t in_size, int64_t out_size)
      : size_(in_size), half_pixel_centers_(plan.half_pixel_centers) {
    const bool corners = plan.align_corners && out_size > 1;
    const int64_t from = corners ? in_size - 1 : in_size, to = corners ? out_size - 1 : out_size;
    scale_ = (kOne * from + to / 2) / to;
  }

  Neighbours<int64_t> at(int64_t i) const {
    const int64_t position = half_pixel_centers_ ? i * scale_ + scale_ / 2 - kOne / 2 : i * scale_;
    const int64_t last = size_ - 1;
    const int64_t low = std::clamp<int64_t>(position / kOne, 0, last);
    const int64_t high = std::min((position + kOne - 1) / kOne, last);
    return {low, high, position - kOne * low};
  }

  // No fraction passes 1.5 in size, as none does but where rounding the scale moves the last positions far outside:
  // then four weights and an int8 each stay well within 32 bits.
  bool is_bounded(int64_t out_size) const { return at(out_size - 1).fraction <= kOne * 3 / 2; }

 private:
  int64_t size_;
  bool half_pixel_centers_;
  int64_t scale_;
};

// The order of the products is the reference's: it decides how they round.
template <typename T>
void blend(const T* a, const T* b, const T* c, const T* d, float dy, float dx, T* out, int64_t depth) {
  constexpr float rounding = std::is_integral_v<T> ? 0.5f : 0.0f;
  for (int64_t i = 0; i < depth; ++i) {
    const float value = static_cast<float>(a[i]) * (1 - dy) * (1 - dx) + static_cast<float>(b[i]) * dy * (1 - dx) +
                        static_cast<float>(c[i]) * (1 - dy) * dx + static_cast<float>(d[i]) * dy * dx + rounding;
    out[i] = static_cast<T>(value);
  }
}

// Sum: int64_t, or int32_t where nothing can overflow.
template <typename T, typename Sum>
void blend(const T* a, const T* b, const T* c, const T* d, Sum dy, Sum dx, T* out, int64_t depth) {
  constexpr Sum one = FixedAxis::kOne, half = one * one / 2;
  const Sum wa = (one - dy) * (one - dx), wb = dy * (one - dx), wc = (one - dy) * dx, wd = dy * dx;
  for (int64_t i = 0; i < depth; ++i) {
    const Sum sum = a[i] * wa + b[i] * wb + c[i] * wc + d[i] * wd;
    out[i] = static_cast<T>((sum + (sum > 0 ? half : -half)) / (one * one));
  }
}

template <typename T, typename Fraction, typename Axis>
void bilinear_rows(const ResizePlan& plan, const Axis& vertical, const Axis& horizontal, const T* in, T* out,
                   int64_t begin, int64_t end) {
  const int64_t in_row_size = plan.in_width * plan.depth;
  for (int64_t row = begin; row < end; ++row) {
    const T* image = in + row / plan.out_height * plan.in_height * in_row_size;
    const auto y = vertical.at(row % plan.out_height);
    const T* upper = image + y.low * in_row_size;
    const T* lower = image + y.high * in_row_size;
    T* to = out + row * plan.out_width * plan.depth;
    for (int64_t i = 0; i < plan.out_width; ++i, to += plan.depth) {
      const auto x = horizontal.at(i);
      blend(upper + x.low * plan.depth, lower + x.low * plan.depth, upper + x.high * plan.depth,
            lower + x.high * plan.depth, static_cast<Fraction>(y.fraction), static_cast<Fraction>(x.fraction), to,
            plan.depth);
    }
  }
}

template <typename T, typename Fraction, typename Axis>
Compute run_bilinear(const ResizePlan& plan, const Axis& vertical, const Axis& horizontal) {
  return [=](const Invocation& v) {
    v.parallel(plan.rows(), row_grain(plan.out_width * plan.depth * 16), [&](int64_t begin, int64_t end) {
      bilinear_rows<T, Fraction>(plan, vertical, horizontal, v.in<T>(0), v.out<T>(0), begin, end);
    });
  };
}

// Where each output position lies.
template <typename Axis>
std::vector<ResizePosition> positions(const Axis& axis, int64_t count) {
  std::vector<ResizePosition> found;
  for (int64_t i = 0; i < count; ++i) {
    const auto at = axis.at(i);
    found.push_back({static_cast<int32_t>(at.low), static_cast<int32_t>(at.high), static_cast<float>(at.fraction),
                     static_cast<int32_t>(at.fraction)});
  }
  return found;
}

bool is_identity(const std::vector<ResizePosition>& positions, int64_t in_size) {
  for (size_t i = 0; i < positions.size(); ++i)
    if (positions[i].low != static_cast<int32_t>(i) || positions[i].real != 0) return false;
  return static_cast<int64_t>(positions.size()) == in_size;
}

template <typename T>
auto rows_of(const ResizeKernel& kernel) {
  if constexpr (std::is_same_v<T, float>) return kernel.real;
  if constexpr (std::is_same_v<T, uint8_t>) return kernel.uint8;
  if constexpr (std::is_same_v<T, int8_t>) return kernel.int8;
  if constexpr (std::is_same_v<T, int16_t>) return kernel.int16;
}

// On vectors.
template <typename T, typename Axis>
Compute run_fast_bilinear(Preparation& p, const ResizeKernel& kernel, const ResizePlan& plan, const Axis& vertical,
                          const Axis& horizontal) {
  ResizeLayer layer{plan.in_height, plan.in_width, plan.out_height, plan.out_width, plan.depth, nullptr, nullptr};
  const auto rows = positions(vertical, plan.out_height), columns = positions(horizontal, plan.out_width);
  if (is_identity(rows, plan.in_height) && is_identity(columns, plan.in_width)) {
    const size_t size = static_cast<size_t>(plan.rows() * plan.out_width * plan.depth) * sizeof(T);
    return [size](const Invocation& v) { std::memcpy(v.out<T>(0), v.in<T>(0), size); };
  }
  const int64_t bytes = kResizeBuffers * resize_buffer(plan.in_width * plan.depth) * 4;
  const int count = Slots::count_for(p.threads()), buffers = p.scratch(bytes * count);
  const auto run = rows_of<T>(kernel);
  return [=](const Invocation& v) {
    ResizeLayer now = layer;
    now.rows = rows.data();
    now.columns = columns.data();
    Slots slots(count);
    v.parallel(plan.rows(), row_grain(plan.out_width * plan.depth), [&](int64_t begin, int64_t end) {
      const int slot = slots.take();
      run(now, v.in<T>(0), v.out<T>(0), begin, end, v.scratch<std::byte>(buffers) + slot * bytes);
      slots.give(slot);
    });
  };
}

template <typename T>
Compute run_float_bilinear(Preparation& p, const ResizePlan& plan) {
  const FloatAxis vertical(plan, plan.in_height, plan.out_height), horizontal(plan, plan.in_width, plan.out_width);
  if (const ResizeKernel* kernel = resize_kernel()) return run_fast_bilinear<T>(p, *kernel, plan, vertical, horizontal);
  return run_bilinear<T, float>(plan, vertical, horizontal);
}

template <typename T>
Compute run_fixed_bilinear(Preparation& p, const ResizePlan& plan) {
  const FixedAxis vertical(plan, plan.in_height, plan.out_height), horizontal(plan, plan.in_width, plan.out_width);
  if (vertical.is_bounded(plan.out_height) && horizontal.is_bounded(plan.out_width)) {
    if (const ResizeKernel* kernel = resize_kernel())
      return run_fast_bilinear<T>(p, *kernel, plan, vertical, horizontal);
    if (sizeof(T) == 1) return run_bilinear<T, int32_t>(plan, vertical, horizontal);
  }
  return run_bilinear<T, int64_t>(plan, vertical, horizontal);
}

Compute prepare_resize_bilinear(Preparation& p) {
  const ResizePlan plan = plan_resize(p);
  moved_bytes(p, p.input(0), p.output(0));
  p.require(!plan.align_corners || !plan.half_pixel_centers, "align_corners and half_pixel_centers exclude each other");
  if (plan.rows() == 0) return [](const Invocation&) {};
  switch (p.input(0).dtype) {
    case DType::float32:
      return run_float_bilinear<float>(p, plan);
    case DType::uint8:
      return run_float_bilinear<uint8_t>(p, plan);
    case DType::int8:
      return run_fixed_bilinear<int8_t>(p, plan);
    case DType::int16:
      return run_fixed_bilinear<int16_t>(p, plan);
    default:
      p.unsupported("RESIZE_BILINEAR of ", dtype_name(p.input(0).dtype));
  }
}

// Which input position an output position takes.
class NearestAxis {
 public:
  NearestAxis(const ResizePlan& plan, int64_t in_size, int64_t out_size)
      : last_(in_size - 1), align_corners_(plan.align_corners), offset_(plan.half_pixel_centers ? 0.5f : 0.0f) {
    scale_ = align_corners_ && out_size > 1 ? static_cast<float>(in_size - 1) / static_cast<float>(out_size - 1)
                                            : static_cast<float>(in_size) / static_cast<float>(out_size);
  }

  int64_t at(int64_t i) const {
    const float position = (static_cast<float>(i) + offset_) * scale_;
    return std::min(static_cast<int64_t>(align_corners_ ? std::round(position) : std::floor(position)), last_);
  }

 private:
  int64_t last_;
  bool align_corners_;
  float offset_, scale_;
};

Compute prepare_resize_nearest_neighbor(Preparation& p) {
  const ResizePlan plan = plan_resize(p);
  const int64_t depth_bytes = plan.depth * moved_bytes(p, p.input(0), p.output(0));
  if (plan.rows() == 0) return [](const Invocation&) {};
  const NearestAxis vertical(plan, plan.in_height, plan.out_height), horizontal(plan, plan.in_width, plan.out_width);
  return [=](const Invocation& v) {
    const int64_t in_row_bytes = plan.in_width * depth_bytes, out_row_bytes = plan.out_width * depth_bytes;
    v.parallel(plan.rows(), row_grain(out_row_bytes), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t in_row = row / plan.out_height * plan.in_height + vertical.at(row % plan.out_height);
        const std::byte* from = v.in<std::byte>(0) + in_row * in_row_bytes;
        std::byte* to = v.out<std::byte>(0) + row * out_row_bytes;
        for (int64_t i = 0; i < plan.out_width; ++i)
          std::memcpy(to + i * depth_bytes, from + horizontal.at(i) * depth_bytes, depth_bytes);
      }
    });
  };
}

}  // namespace

void register_resize(Registry& registry) {
  registry.add("RESIZE_BILINEAR", prepare_resize_bilinear);
  registry.add("RESIZE_NEAREST_NEIGHBOR", prepare_resize_nearest_neighbor);
}

}  // namespace subgraft
