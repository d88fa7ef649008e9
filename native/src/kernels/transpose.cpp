// TRANSPOSE.
#include "kernels/families.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

Compute prepare_transpose(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  const auto order = p.integers(1);
  p.require(p.input(1).shape.rank() == 1 && order.size() == static_cast<size_t>(shape.rank()), "permutation of shape ",
            p.input(1).shape.text(), " for input of rank ", shape.rank());
  std::vector<int32_t> dims;
  int axes[Shape::kMaxRank];
  bool used[Shape::kMaxRank] = {};
  for (int i = 0; i < shape.rank(); ++i) {
    const int axis = axes[i] = checked_axis(p, order[i], shape.rank());
    p.require(!used[axis], "axis ", axis, " appears twice in the permutation");
    used[axis] = true;
    dims.push_back(shape[axis]);
  }
  const Shape output(dims);
  p.set_output(0, output);

  StridedCopy copy(element_bytes);
  for (int i = 0; i < shape.rank(); ++i) copy.add(output[i], stride_of(shape, axes[i]), stride_of(output, i));
  return run_copy(p, copy);
}

}  // namespace

void register_transpose(Registry& registry) { registry.add("TRANSPOSE", prepare_transpose); }

}  // namespace subgraft
