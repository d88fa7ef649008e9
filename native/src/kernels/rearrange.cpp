// TILE, BROADCAST_TO, REVERSE_V2, SPACE_TO_DEPTH, DEPTH_TO_SPACE, SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND.
#include <cstring>

#include "kernels/families.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

Compute prepare_tile(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  const auto times = p.integers(1);
  p.require(times.size() == static_cast<size_t>(shape.rank()), times.size(), " multiples for input of rank ",
            shape.rank());
  std::vector<int32_t> dims;
  for (int i = 0; i < shape.rank(); ++i) {
    p.require(times[i] >= 0 && (shape[i] == 0 || times[i] <= INT32_MAX / shape[i]), times[i], " times a dimension of ",
              shape[i]);
    dims.push_back(static_cast<int32_t>(times[i] * shape[i]));
  }
  const Shape output(dims);
  p.set_output(0, output);

  StridedCopy copy(element_bytes);
  for (int i = 0; i < shape.rank(); ++i) {
    const int64_t out_stride = stride_of(output, i);
    copy.add(times[i], 0, out_stride * shape[i]);
    copy.add(shape[i], stride_of(shape, i), out_stride);
  }
  return run_copy(p, copy);
}

Compute prepare_broadcast_to(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  const auto wanted = p.integers(1);
  p.require(p.input(1).shape.rank() == 1 && wanted.size() >= static_cast<size_t>(shape.rank()), "cannot broadcast ",
            shape.text(), " to ", wanted.size(), " dimensions");
  for (const int64_t dim : wanted) p.require(dim >= 0 && dim <= INT32_MAX, "new shape has dimension ", dim);
  const Shape output(std::vector<int32_t>(wanted.begin(), wanted.end()));
  const Shape input = shape.extended(output.rank());
  for (int i = 0; i < output.rank(); ++i)
    p.require(input[i] == output[i] || input[i] == 1, "cannot broadcast ", shape.text(), " to ", output.text());
  p.set_output(0, output);

  StridedCopy copy(element_bytes);
  for (int i = 0; i < output.rank(); ++i)
    copy.add(output[i], input[i] == 1 ? 0 : stride_of(input, i), stride_of(output, i));
  return run_copy(p, copy);
}

Compute prepare_reverse(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  bool reverse[Shape::kMaxRank] = {};
  for (const int64_t axis : p.integers(1)) {
    bool& flag = reverse[checked_axis(p, axis, shape.rank())];
    p.require(!flag, "axis ", axis, " appears twice");
    flag = true;
  }
  p.set_output(0, shape);

  StridedCopy copy(element_bytes);
  int64_t offset = 0;
  for (int i = 0; i < shape.rank(); ++i) {
    const int64_t stride = stride_of(shape, i);
    if (reverse[i]) offset += (shape[i] - 1) * stride;
    copy.add(shape[i], reverse[i] ? -stride : stride, stride);
  }
  copy.start_at(offset, 0);
  return run_copy(p, copy);
}

int64_t read_block_size(const Preparation& p) {
  p.require(p.input(0).shape.rank() == 4, "input of shape ", p.input(0).shape.text(), " is not an image batch");
  const int64_t block = p.options().integer("block_size");
  p.require(block > 0, "block size ", block);
  return block;
}

// Between images [batch, height * block, width * block, depth] and [batch, height, width, block * block * depth].
struct Blocks {
  int64_t batch, height, width, depth, block;

  // The copy reads the first form, or else the second.
  StridedCopy copy(int64_t element_bytes, bool from_space) const {
    StridedCopy copy(element_bytes);
    const int64_t cell = block * block * depth, space_row = width * block * depth;
    const auto add = [&](int64_t size, int64_t space_stride, int64_t depth_stride) {
      copy.add(size, from_space ? space_stride : depth_stride, from_space ? depth_stride : space_stride);
    };
    // In the order of the output, so that its bytes are written one after the other.
    add(batch, height * block * space_row, height * width * cell);
    add(height, block * space_row, width * cell);
    if (from_space) add(width, block * depth, cell);
    add(block, space_row, block * depth);
    if (!from_space) add(width, block * depth, cell);
    add(block, depth, depth);
    add(depth, 1, 1);
    return copy;
  }
};

Compute prepare_space_to_depth(Preparation& p) {
  p.expect(1, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  const int64_t block = read_block_size(p);
  p.require(shape[1] % block == 0 && shape[2] % block == 0, "cannot cut ", shape.text(), " into blocks of ", block);
  const Blocks blocks{shape[0], shape[1] / block, shape[2] / block, shape[3], block};
  p.require(block * block <= INT32_MAX && shape[3] * (block * block) <= INT32_MAX, "depth ", shape[3], " times ", block,
            " squared");
  p.set_output(0, Shape{shape[0], static_cast<int32_t>(blocks.height), static_cast<int32_t>(blocks.width),
                        static_cast<int32_t>(shape[3] * block * block)});
  if (shape.elements() == 0) return [](const Invocation&) {};
  return run_copy(p, blocks.copy(element_bytes, true));
}

Compute prepare_depth_to_space(Preparation& p) {
  p.expect(1, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  const int64_t block = read_block_size(p);
  p.require(block <= INT16_MAX && shape[3] % (block * block) == 0, "cannot spread depth ", shape[3], " over blocks of ",
            block);
  p.require(shape[1] * block <= INT32_MAX && shape[2] * block <= INT32_MAX, shape.text(), " times ", block);
  const Blocks blocks{shape[0], shape[1], shape[2], shape[3] / (block * block), block};
  p.set_output(0, Shape{shape[0], static_cast<int32_t>(shape[1] * block), static_cast<int32_t>(shape[2] * block),
                        static_cast<int32_t>(blocks.depth)});
  if (shape.elements() == 0) return [](const Invocation&) {};
  return run_copy(p, blocks.copy(element_bytes, false));
}

// The spatial dimensions of SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND; an input of rank 3 has a width of 1.
struct Tiling {
  int64_t block[2] = {1, 1};
  int64_t before[2] = {0, 0}, after[2] = {0, 0};  // padding, or what is cropped
};

Tiling read_tiling(Preparation& p) {
  p.expect(3, 1);
  const int rank = p.input(0).shape.rank();
  if (rank != 3 && rank != 4) p.unsupported(p.name(), " of rank ", rank);
  const auto blocks = p.integers(1), margins = p.integers(2);
  p.require(p.input(1).shape == Shape{rank - 2}, "block shape of shape ", p.input(1).shape.text(), " for rank ", rank);
  p.require(p.input(2).shape == Shape{rank - 2, 2}, "margins of shape ", p.input(2).shape.text(), " for rank ", rank);
  Tiling tiling;
  for (int i = 0; i < rank - 2; ++i) {
    tiling.block[i] = blocks[i];
    tiling.before[i] = margins[2 * i];
    tiling.after[i] = margins[2 * i + 1];
    p.require(blocks[i] > 0 && blocks[i] <= INT32_MAX, "block of ", blocks[i]);
    for (const int64_t margin : {tiling.before[i], tiling.after[i]})
      p.require(margin >= 0 && margin <= INT32_MAX, "margin of ", margin);
  }
  return tiling;
}

// Rows of the batch form: [batch, height, width, depth] where batch = (block y, block x, image).
struct BatchRows {
  int64_t images = 0, batch_height = 0, batch_width = 0;  // batch_height: rows of one element of the batch
  int64_t space_height = 0, space_width = 0, depth_bytes = 0;
  Tiling tiling;
  int64_t rows = 0;

  // Calls visit(column of the batch form, byte offset in the space form) for the columns of a row that lie inside.
  template <typename Visit>
  void visit_row(int64_t row, Visit&& visit) const {
    const int64_t batch = row / batch_height, image = batch % images, shift = batch / images;
    const int64_t y = row % batch_height * tiling.block[0] + shift / tiling.block[1] - tiling.before[0];
    if (y < 0 || y >= space_height) return;
    for (int64_t i = 0; i < batch_width; ++i) {
      const int64_t x = i * tiling.block[1] + shift % tiling.block[1] - tiling.before[1];
      if (x >= 0 && x < space_width) visit(i, ((image * space_height + y) * space_width + x) * depth_bytes);
    }
  }
};

BatchRows plan_batch_rows(const Shape& space, const Shape& batch, const Tiling& tiling, int64_t element_bytes) {
  BatchRows plan;
  plan.tiling = tiling;
  plan.images = space[0];
  plan.batch_height = batch[1];
  plan.space_height = space[1];
  plan.batch_width = batch.rank() == 4 ? batch[2] : 1;
  plan.space_width = space.rank() == 4 ? space[2] : 1;
  plan.depth_bytes = space.back(0) * element_bytes;
  plan.rows = batch.elements() > 0 ? int64_t{batch[0]} * batch[1] : 0;
  return plan;
}

// What both ops demand of quantization.
void require_movable(const Preparation& p) {
  require_same_scale(p, p.input(0), p.output(0));
  if (p.input(0).dtype == DType::int16) p.require(tensor_scale(p.input(0)).zero_point == 0, "int16 with a zero point");
}

Compute prepare_space_to_batch(Preparation& p) {
  const Tiling tiling = read_tiling(p);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  require_movable(p);
  std::vector<int32_t> dims(shape.dims().begin(), shape.dims().end());
  int64_t batch = shape[0];
  for (int i = 0; i < shape.rank() - 2; ++i) {
    const int64_t padded = shape[i + 1] + tiling.before[i] + tiling.after[i];
    p.require(padded % tiling.block[i] == 0 && padded / tiling.block[i] <= INT32_MAX, "cannot cut ", padded,
              " into blocks of ", tiling.block[i]);
    dims[i + 1] = static_cast<int32_t>(padded / tiling.block[i]);
    batch *= tiling.block[i];
    p.require(batch <= INT32_MAX, "batch gets ", batch, " elements");
  }
  dims[0] = static_cast<int32_t>(batch);
  const Shape output(dims);
  p.set_output(0, output);

  // A single byte of padding is all that the reference knows; wider types are padded with zeros.
  const int zero = element_bytes == 1 ? tensor_scale(p.output(0)).zero_point : 0;
  const BatchRows plan = plan_batch_rows(shape, output, tiling, element_bytes);
  return [plan, zero](const Invocation& v) {
    const int64_t row_bytes = plan.batch_width * plan.depth_bytes;
    v.parallel(plan.rows, row_grain(row_bytes), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        std::byte* to = v.out<std::byte>(0) + row * row_bytes;
        std::memset(to, zero, row_bytes);
        plan.visit_row(row, [&](int64_t column, int64_t at) {
          std::memcpy(to + column * plan.depth_bytes, v.in<std::byte>(0) + at, plan.depth_bytes);
        });
      }
    });
  };
}

Compute prepare_batch_to_space(Preparation& p) {
  const Tiling tiling = read_tiling(p);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  require_movable(p);
  std::vector<int32_t> dims(shape.dims().begin(), shape.dims().end());
  for (int i = 0; i < shape.rank() - 2; ++i) {
    p.require(dims[0] % tiling.block[i] == 0, "cannot cut a batch of ", shape[0], " into blocks of ", tiling.block[i]);
    dims[0] = static_cast<int32_t>(dims[0] / tiling.block[i]);
    const int64_t size = shape[i + 1] * tiling.block[i] - tiling.before[i] - tiling.after[i];
    p.require(size >= 0 && size <= INT32_MAX, "dimension ", i + 1, " gets ", size, " elements");
    dims[i + 1] = static_cast<int32_t>(size);
  }
  const Shape output(dims);
  p.set_output(0, output);

  // Every element of the output belongs to one row, so rows may be spread over threads.
  BatchRows plan = plan_batch_rows(output, shape, tiling, element_bytes);
  if (output.elements() == 0) plan.rows = 0;
  return [plan](const Invocation& v) {
    const int64_t row_bytes = plan.batch_width * plan.depth_bytes;
    v.parallel(plan.rows, row_grain(row_bytes), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const std::byte* from = v.in<std::byte>(0) + row * row_bytes;
        plan.visit_row(row, [&](int64_t column, int64_t at) {
          std::memcpy(v.out<std::byte>(0) + at, from + column * plan.depth_bytes, plan.depth_bytes);
        });
      }
    });
  };
}

}  // namespace

void register_rearrange(Registry& registry) {
  registry.add("BATCH_TO_SPACE_ND", prepare_batch_to_space);
  registry.add("BROADCAST_TO", prepare_broadcast_to);
  registry.add("DEPTH_TO_SPACE", prepare_depth_to_space);
  registry.add("REVERSE_V2", prepare_reverse);
  registry.add("SPACE_TO_BATCH_ND", prepare_space_to_batch);
  registry.add("SPACE_TO_DEPTH", prepare_space_to_depth);
  registry.add("TILE", prepare_tile);
}

}  // namespace subgraft
