// CONCATENATION, PACK, UNPACK, SPLIT and SPLIT_V: tensors side by side along one axis.
#include <array>
#include <cmath>

#include "kernels/copy_runs.h"
#include "kernels/families.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

// A joined tensor is `rows` rows of `row_bytes`; each part has a slice of every row.
struct Part {
  int64_t offset, bytes;  // within a row
};

struct Joint {
  int64_t rows = 0, row_bytes = 0;
  std::vector<Part> parts;
};

// `sizes` are the parts' extents along the axis.
Joint join_along(const Shape& joined, int axis, const std::vector<int32_t>& sizes, int64_t element_bytes) {
  Joint joint;
  if (joined.elements() == 0) return joint;
  joint.rows = joined.product(0, axis);
  const int64_t inner_bytes = stride_of(joined, axis) * element_bytes;
  joint.row_bytes = joined[axis] * inner_bytes;
  int64_t offset = 0;
  for (const int32_t size : sizes) {
    joint.parts.push_back({offset, size * inner_bytes});
    offset += size * inner_bytes;
  }
  return joint;
}

// work(row, rows) for so many rows that what they join to stays in the nearest cache.
template <typename Work>
void for_row_blocks(const Invocation& v, const Joint& joint, Work&& work) {
  constexpr int64_t kBlockBytes = 16 * 1024;
  const int64_t block = std::max<int64_t>(1, kBlockBytes / std::max<int64_t>(1, joint.row_bytes));
  v.parallel(joint.rows, row_grain(joint.row_bytes), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row += block) work(row, std::min(block, end - row));
  });
}

Compute run_join(Preparation& p, Joint joint) {
  if (joint.rows == 1)
    for (size_t i = 0; i < joint.parts.size(); ++i) p.part(static_cast<int>(i), 0, joint.parts[i].offset);
  return [joint = std::move(joint)](const Invocation& v) {
    for_row_blocks(v, joint, [&](int64_t row, int64_t rows) {
      for (size_t i = 0; i < joint.parts.size(); ++i) {
        const auto [offset, bytes] = joint.parts[i];
        const std::byte* in = v.in<std::byte>(static_cast<int>(i)) + row * bytes;
        std::byte* out = v.out<std::byte>(0) + row * joint.row_bytes + offset;
        if (in != out) copy_runs(in, bytes, out, joint.row_bytes, rows, bytes);
      }
    });
  };
}

Compute run_split(Preparation& p, Joint joint, int input) {
  if (joint.rows == 1)
    for (size_t i = 0; i < joint.parts.size(); ++i) p.view(static_cast<int>(i), input, joint.parts[i].offset);
  return [joint = std::move(joint), input](const Invocation& v) {
    for_row_blocks(v, joint, [&](int64_t row, int64_t rows) {
      for (size_t i = 0; i < joint.parts.size(); ++i) {
        const auto [offset, bytes] = joint.parts[i];
        const std::byte* in = v.in<std::byte>(input) + row * joint.row_bytes + offset;
        copy_runs(in, joint.row_bytes, v.out<std::byte>(static_cast<int>(i)) + row * bytes, bytes, rows, bytes);
      }
    });
  };
}

using ByteTable = std::array<uint8_t, 256>;

// What every uint8 value becomes in the output's scale. Single precision and its rounding are the reference's.
ByteTable rescale_table(const TensorScale& from, const TensorScale& to) {
  const float scale = from.scale * (1.0f / to.scale);
  const float bias = static_cast<float>(-from.zero_point) * scale;
  ByteTable table;
  for (int i = 0; i < 256; ++i) {
    if (from == to) {
      table[i] = static_cast<uint8_t>(i);
      continue;
    }
    const float value = std::round(static_cast<float>(i) * scale + bias) + static_cast<float>(to.zero_point);
    table[i] = static_cast<uint8_t>(value >= 255 ? 255 : value > 0 ? value : 0);
  }
  return table;
}

// uint8 inputs may differ from the output in scale: each goes through a table.
Compute run_rescaling_join(const Preparation& p, Joint joint) {
  const TensorScale to = tensor_scale(p.output(0));
  std::vector<ByteTable> tables;
  for (int i = 0; i < p.inputs(); ++i) {
    const TensorScale from = tensor_scale(p.input(i));
    p.require(from == to || (from.scale > 0 && to.scale > 0), "no scale to turn '", p.input(i).name,
              "' into the output's");
    tables.push_back(rescale_table(from, to));
  }
  return [joint = std::move(joint), tables = std::move(tables)](const Invocation& v) {
    v.parallel(joint.rows, row_grain(joint.row_bytes), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        for (size_t i = 0; i < joint.parts.size(); ++i) {
          const auto [offset, bytes] = joint.parts[i];
          const uint8_t* in = v.in<uint8_t>(static_cast<int>(i)) + row * bytes;
          uint8_t* out = v.out<uint8_t>(0) + row * joint.row_bytes + offset;
          for (int64_t j = 0; j < bytes; ++j) out[j] = tables[i][in[j]];
        }
      }
    });
  };
}

bool any_differs_in_scale(const Preparation& p) {
  for (int i = 0; i < p.inputs(); ++i)
    if (!(tensor_scale(p.input(i)) == tensor_scale(p.output(0)))) return true;
  return false;
}

Compute prepare_concatenation(Preparation& p) {
  p.require(p.inputs() >= 1, "no inputs");
  p.expect(p.inputs(), 1);
  if (p.options().integer("fused_activation_function") != 0) p.unsupported("CONCATENATION with a fused activation");
  const DType dtype = p.output(0).dtype;
  // Scalars count as vectors of one element.
  const Shape first = p.input(0).shape.rank() == 0 ? Shape{1} : p.input(0).shape;
  const int axis = checked_axis(p, p.options().integer("axis"), first.rank());
  int64_t element_bytes = 0, sum = 0;
  std::vector<int32_t> sizes;
  for (int i = 0; i < p.inputs(); ++i) {
    element_bytes = moved_bytes(p, p.input(i), p.output(0));
    const Shape shape = p.input(i).shape.rank() == 0 ? Shape{1} : p.input(i).shape;
    p.require(shape.rank() == first.rank() && shape.with(axis, first[axis]) == first, "shapes ", first.text(), " and ",
              shape.text(), " differ in more than axis ", axis);
    sizes.push_back(shape[axis]);
    sum += shape[axis];
    if (dtype == DType::int8) require_same_scale(p, p.input(i), p.output(0));
    if (dtype == DType::int16) p.require(tensor_scale(p.input(i)).zero_point == 0, "int16 with a zero point");
  }
  if (dtype == DType::int16) p.require(tensor_scale(p.output(0)).zero_point == 0, "int16 with a zero point");
  p.require(sum <= INT32_MAX, "axis ", axis, " gets ", sum, " elements");
  const Shape joined = first.with(axis, static_cast<int32_t>(sum));
  p.set_output(0, joined);
  Joint joint = join_along(joined, axis, sizes, element_bytes);
  if (dtype == DType::uint8 && any_differs_in_scale(p)) return run_rescaling_join(p, std::move(joint));
  return run_join(p, std::move(joint));
}

Compute prepare_pack(Preparation& p) {
  const int count = p.inputs();
  p.require(count >= 1 && p.options().integer("values_count") == count, "values_count is ",
            p.options().integer("values_count"), " but there are ", count, " inputs");
  p.expect(count, 1);
  const Shape& shape = p.input(0).shape;
  const int axis = checked_axis(p, p.options().integer("axis"), shape.rank() + 1);
  int64_t element_bytes = 0;
  for (int i = 0; i < count; ++i) {
    element_bytes = moved_bytes(p, p.input(i), p.output(0));
    p.require(p.input(i).shape == shape, "shapes ", shape.text(), " and ", p.input(i).shape.text(), " differ");
    require_same_scale(p, p.input(i), p.output(0));
  }
  std::vector<int32_t> dims(shape.dims().begin(), shape.dims().end());
  dims.insert(dims.begin() + axis, count);
  const Shape joined(dims);
  p.set_output(0, joined);
  return run_join(p, join_along(joined, axis, std::vector<int32_t>(count, 1), element_bytes));
}

Compute prepare_unpack(Preparation& p) {
  const int count = p.outputs();
  p.expect(1, count);
  const Shape& shape = p.input(0).shape;
  const int axis = checked_axis(p, p.options().integer("axis"), shape.rank());
  p.require(p.options().integer("num") == count && shape[axis] == count, "num is ", p.options().integer("num"),
            " and dimension ", axis, " is ", shape[axis], " but there are ", count, " outputs");
  std::vector<int32_t> dims(shape.dims().begin(), shape.dims().end());
  dims.erase(dims.begin() + axis);
  int64_t element_bytes = 0;
  for (int i = 0; i < count; ++i) {
    element_bytes = moved_bytes(p, p.input(0), p.output(i));
    require_same_scale(p, p.input(0), p.output(i));
    p.set_output(i, Shape(dims));
  }
  return run_split(p, join_along(shape, axis, std::vector<int32_t>(count, 1), element_bytes), 0);
}

// One output for each size.
Compute split(Preparation& p, int input, int axis, const std::vector<int32_t>& sizes) {
  const Shape& shape = p.input(input).shape;
  int64_t element_bytes = 0;
  for (int i = 0; i < p.outputs(); ++i) {
    element_bytes = moved_bytes(p, p.input(input), p.output(i));
    p.set_output(i, shape.with(axis, sizes[i]));
  }
  return run_split(p, join_along(shape, axis, sizes, element_bytes), input);
}

void require_num_splits(const Preparation& p) {
  p.require(p.outputs() >= 1 && p.options().integer("num_splits") == p.outputs(), "num_splits is ",
            p.options().integer("num_splits"), " but there are ", p.outputs(), " outputs");
}

int split_axis(Preparation& p, int axis_input, int input) {
  const auto axis = p.integers(axis_input);
  p.require(axis.size() == 1, "axis must be one number");
  return checked_axis(p, axis[0], p.input(input).shape.rank());
}

Compute prepare_split(Preparation& p) {
  p.expect(2, p.outputs());
  require_num_splits(p);
  const int axis = split_axis(p, 0, 1);
  const int32_t size = p.input(1).shape[axis];
  p.require(size % p.outputs() == 0, "cannot split ", size, " into ", p.outputs(), " equal parts");
  return split(p, 1, axis, std::vector<int32_t>(p.outputs(), size / p.outputs()));
}

Compute prepare_split_v(Preparation& p) {
  p.expect(3, p.outputs());
  require_num_splits(p);
  const auto wanted = p.integers(1);
  const int axis = split_axis(p, 2, 0);
  p.require(wanted.size() == static_cast<size_t>(p.outputs()), wanted.size(), " sizes for ", p.outputs(), " outputs");
  const int64_t size = p.input(0).shape[axis];
  int64_t rest = size;
  int free = -1;
  for (int i = 0; i < p.outputs(); ++i) {
    if (wanted[i] == -1) {
      p.require(free < 0, "more than one size of -1");
      free = i;
    } else {
      p.require(wanted[i] >= 0 && wanted[i] <= rest, "sizes do not add up to ", size);
      rest -= wanted[i];
    }
  }
  p.require(free >= 0 || rest == 0, "sizes do not add up to ", size);
  std::vector<int32_t> sizes(wanted.begin(), wanted.end());
  if (free >= 0) sizes[free] = static_cast<int32_t>(rest);
  return split(p, 0, axis, sizes);
}

}  // namespace

void register_concatenation(Registry& registry) {
  registry.add("CONCATENATION", prepare_concatenation);
  registry.add("PACK", prepare_pack);
  registry.add("SPLIT", prepare_split);
  registry.add("SPLIT_V", prepare_split_v);
  registry.add("UNPACK", prepare_unpack);
}

}  // namespace subgraft
