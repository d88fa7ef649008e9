// PAD, PADV2 and MIRROR_PAD.
#include <algorithm>
#include <cstring>
#include <optional>

#include "kernels/families.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

struct Padding {
  int64_t left[Shape::kMaxRank] = {};
  int64_t right[Shape::kMaxRank] = {};
  Shape padded;
};

template <typename T>
std::vector<int64_t> widened(std::span<const T> narrow) {
  return {narrow.begin(), narrow.end()};
}

std::vector<int64_t> read_amounts(const Preparation& p) {
  switch (p.input(1).dtype) {
    case DType::int8:
      return widened(p.value<int8_t>(1));
    case DType::int16:
      return widened(p.value<int16_t>(1));
    default:
      return p.integers(1);
  }
}

Padding read_padding(Preparation& p) {
  const Shape& shape = p.input(0).shape;
  const auto amounts = read_amounts(p);
  p.require(p.input(1).shape == Shape{shape.rank(), 2}, "paddings of shape ", p.input(1).shape.text(),
            " for input of rank ", shape.rank());
  Padding padding;
  std::vector<int32_t> dims;
  for (int i = 0; i < shape.rank(); ++i) {
    const int64_t left = padding.left[i] = amounts[2 * i], right = padding.right[i] = amounts[2 * i + 1];
    p.require(left >= 0 && right >= 0 && left <= INT32_MAX && right <= INT32_MAX, "padding of ", left, " and ", right);
    const int64_t size = shape[i] + left + right;
    p.require(size <= INT32_MAX, "dimension ", i, " gets ", size, " elements");
    dims.push_back(static_cast<int32_t>(size));
  }
  padding.padded = Shape(dims);
  return padding;
}

// The output as rows over the dimensions before `axis`, the last one that is padded.
struct RowPlan {
  int axis = 0;
  int64_t rows = 0;
  int64_t inner = 1;  // elements of one index of the axis
  int64_t in_size[Shape::kMaxRank] = {1}, out_size[Shape::kMaxRank] = {1}, left[Shape::kMaxRank] = {};

  int64_t row_size() const { return out_size[axis] * inner; }
};

RowPlan plan_rows(const Shape& in, const Padding& padding) {
  RowPlan plan;
  if (padding.padded.elements() == 0) return plan;
  plan.rows = 1;
  if (in.rank() == 0) return plan;
  plan.axis = in.rank() - 1;
  while (plan.axis > 0 && padding.left[plan.axis] + padding.right[plan.axis] == 0) --plan.axis;
  for (int i = 0; i <= plan.axis; ++i) {
    plan.in_size[i] = in[i];
    plan.out_size[i] = padding.padded[i];
    plan.left[i] = padding.left[i];
    if (i < plan.axis) plan.rows *= padding.padded[i];
  }
  plan.inner = padding.padded.product(plan.axis + 1, in.rank());
  return plan;
}

template <typename T>
void pad_rows(const RowPlan& plan, const T* in, T value, T* out, int64_t begin, int64_t end) {
  const int64_t left = plan.left[plan.axis] * plan.inner, middle = plan.in_size[plan.axis] * plan.inner;
  const int64_t right = plan.row_size() - left - middle;
  for (int64_t row = begin; row < end; ++row) {
    T* to = out + row * plan.row_size();
    int64_t in_row = 0, in_stride = 1, rest = row;
    bool inside = true;
    for (int d = plan.axis - 1; d >= 0; --d) {
      const int64_t index = rest % plan.out_size[d] - plan.left[d];
      rest /= plan.out_size[d];
      inside = inside && index >= 0 && index < plan.in_size[d];
      in_row += index * in_stride;
      in_stride *= plan.in_size[d];
    }
    if (!inside || middle == 0) {
      std::fill_n(to, plan.row_size(), value);
      continue;
    }
    std::fill_n(to, left, value);
    std::memcpy(to + left, in + in_row * middle, middle * sizeof(T));
    std::fill_n(to + left + middle, right, value);
  }
}

// Quantized tensors are padded with what stands for zero.
int32_t zero_value(const Operand& input, const Operand& output) {
  const bool quantized = input.dtype == DType::uint8 ||
                         ((input.dtype == DType::int8 || input.dtype == DType::int16) && input.is_quantized());
  return quantized ? tensor_scale(output).zero_point : 0;
}

// Pads with `zero`, or where there is none with the value of input 2.
template <typename T>
Compute run_pad(const RowPlan& plan, std::optional<int32_t> zero) {
  return [plan, zero](const Invocation& v) {
    const T value = zero ? static_cast<T>(*zero) : *v.in<T>(2);
    v.parallel(plan.rows, row_grain(plan.row_size() * static_cast<int64_t>(sizeof(T))),
               [&](int64_t begin, int64_t end) { pad_rows(plan, v.in<T>(0), value, v.out<T>(0), begin, end); });
  };
}

Compute prepare_pad(Preparation& p) {
  p.expect(2, 3, 1);
  const Operand &input = p.input(0), &output = p.output(0);
  const int64_t element_bytes = moved_bytes(p, input, output);
  std::optional<int32_t> zero;
  if (p.has_input(2)) {
    const Operand& value = p.input(2);
    moved_bytes(p, value, output);
    p.require(value.shape.elements() == 1, "pad value of shape ", value.shape.text());
    const bool quantized = input.dtype == DType::uint8 || input.dtype == DType::int8 || input.dtype == DType::int16;
    if (quantized && input.is_quantized()) require_same_scale(p, value, output);
  } else {
    zero = zero_value(input, output);
  }
  const Padding padding = read_padding(p);
  p.set_output(0, padding.padded);
  const RowPlan plan = plan_rows(input.shape, padding);
  switch (element_bytes) {
    case 1:
      return run_pad<uint8_t>(plan, zero);
    case 2:
      return run_pad<uint16_t>(plan, zero);
    case 4:
      return run_pad<uint32_t>(plan, zero);
    case 8:
      return run_pad<uint64_t>(plan, zero);
  }
  p.unsupported(p.name(), " of ", dtype_name(input.dtype));
}

// Where index `i` of a mirrored dimension comes from. `skip` is 1 where the border itself is not repeated.
int64_t mirrored(int64_t i, int64_t left, int64_t size, int64_t skip) {
  if (i < left) return left - 1 - i + skip;
  if (i >= left + size) return size - 1 - skip - (i - left - size);
  return i - left;
}

void mirror_rows(const RowPlan& plan, int64_t skip, int64_t element_bytes, const std::byte* in, std::byte* out,
                 int64_t begin, int64_t end) {
  const int64_t inner_bytes = plan.inner * element_bytes;
  const int64_t size = plan.in_size[plan.axis], left = plan.left[plan.axis], padded = plan.out_size[plan.axis];
  for (int64_t row = begin; row < end; ++row) {
    int64_t in_row = 0, in_stride = 1, rest = row;
    for (int d = plan.axis - 1; d >= 0; --d) {
      in_row += mirrored(rest % plan.out_size[d], plan.left[d], plan.in_size[d], skip) * in_stride;
      rest /= plan.out_size[d];
      in_stride *= plan.in_size[d];
    }
    const std::byte* from = in + in_row * size * inner_bytes;
    std::byte* to = out + row * padded * inner_bytes;
    for (int64_t i = 0; i < left; ++i)
      std::memcpy(to + i * inner_bytes, from + mirrored(i, left, size, skip) * inner_bytes, inner_bytes);
    std::memcpy(to + left * inner_bytes, from, size * inner_bytes);
    for (int64_t i = left + size; i < padded; ++i)
      std::memcpy(to + i * inner_bytes, from + mirrored(i, left, size, skip) * inner_bytes, inner_bytes);
  }
}

constexpr int64_t kReflect = 0, kSymmetric = 1;  // MirrorPadMode of the schema

Compute prepare_mirror_pad(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  require_same_scale(p, p.input(0), p.output(0));
  const int64_t mode = p.options().integer("mode");
  p.require(mode == kReflect || mode == kSymmetric, "mode ", mode);
  const int64_t skip = mode == kReflect ? 1 : 0;
  const Padding padding = read_padding(p);
  for (int i = 0; i < shape.rank(); ++i)
    p.require(std::max(padding.left[i], padding.right[i]) <= shape[i] - skip, "padding of ", padding.left[i], " and ",
              padding.right[i], " is too much to mirror a dimension of ", shape[i]);
  p.set_output(0, padding.padded);
  const RowPlan plan = plan_rows(shape, padding);
  return [plan, skip, element_bytes](const Invocation& v) {
    v.parallel(plan.rows, row_grain(plan.row_size() * element_bytes), [&](int64_t begin, int64_t end) {
      mirror_rows(plan, skip, element_bytes, v.in<std::byte>(0), v.out<std::byte>(0), begin, end);
    });
  };
}

}  // namespace

void register_pad(Registry& registry) {
  registry.add("MIRROR_PAD", prepare_mirror_pad);
  registry.add("PAD", prepare_pad);
  registry.add("PADV2", prepare_pad);
}

}  // namespace subgraft
