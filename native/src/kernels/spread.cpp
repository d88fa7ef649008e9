#include "kernels/spread.h"

#include <algorithm>
#include <cstring>

namespace subgraft {
namespace {

// Which elements of one dimension are left, and where the first of them goes.
struct Part {
  int64_t size = 0;   // of the output
  int64_t first = 0;  // element of the input
  int64_t count = 0;
  int64_t to = 0;
};

Part part_of(const Preparation& p, int64_t dim, int64_t low, int64_t high, int64_t step) {
  for (const int64_t number : {low, high, step})
    p.require(number >= INT32_MIN && number <= INT32_MAX, "padding of ", number);
  p.require(step >= 1, "padding of ", step - 1, " between elements");
  Part part;
  part.size = low + high + (dim > 0 ? (dim - 1) * step + 1 : 0);
  p.require(part.size >= 0 && part.size <= INT32_MAX, "padding of ", low, " and ", high, " around and ", step - 1,
            " between the elements of a dimension of ", dim, " makes it ", part.size);
  part.first = low < 0 ? (-low + step - 1) / step : 0;
  part.to = low + part.first * step;
  if (part.to < part.size && part.first < dim)
    part.count = std::min(dim - part.first, (part.size - 1 - part.to) / step + 1);
  return part;
}

}  // namespace

Spread plan_spread(const Preparation& p, const Shape& shape, std::span<const int64_t> low,
                   std::span<const int64_t> high, std::span<const int64_t> steps, int64_t element_bytes) {
  Part parts[Shape::kMaxRank];
  std::vector<int32_t> dims;
  bool any = true;
  for (int d = 0; d < shape.rank(); ++d) {
    parts[d] = part_of(p, shape[d], low[d], high[d], steps[d]);
    any = any && parts[d].count > 0;
    dims.push_back(static_cast<int32_t>(parts[d].size));
  }
  Spread spread{Shape(dims), StridedCopy(element_bytes)};
  if (!any) {
    spread.copy.add(0, 0, 0);
    return spread;
  }
  int64_t from = 0, to = 0;
  for (int d = 0; d < shape.rank(); ++d) {
    const Part& part = parts[d];
    const int64_t in_stride = stride_of(shape, d), out_stride = stride_of(spread.output, d);
    // The step over a single element may be too long to multiply.
    spread.copy.add(part.count, in_stride, part.count > 1 ? out_stride * steps[d] : 0);
    from += part.first * in_stride;
    to += part.to * out_stride;
  }
  spread.copy.start_at(from, to);
  return spread;
}

void fill_elements(std::byte* out, const std::byte* element, int64_t count, int64_t element_bytes) {
  if (count == 0) return;
  std::memcpy(out, element, static_cast<size_t>(element_bytes));
  for (int64_t done = 1; done < count;) {
    const int64_t more = std::min(done, count - done);
    std::memcpy(out + done * element_bytes, out, static_cast<size_t>(more * element_bytes));
    done += more;
  }
}

}  // namespace subgraft
