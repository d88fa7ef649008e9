// SLICE and STRIDED_SLICE.
#include "kernels/families.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

Compute prepare_slice(Preparation& p) {
  p.expect(3, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  const auto begin = p.integers(1), size = p.integers(2);
  const auto rank = static_cast<size_t>(shape.rank());
  p.require(begin.size() == rank && size.size() == rank, "begin and size have ", begin.size(), " and ", size.size(),
            " elements for input of rank ", rank);
  std::vector<int32_t> dims;
  int64_t offset = 0;
  for (int i = 0; i < shape.rank(); ++i) {
    p.require(begin[i] >= 0 && begin[i] <= shape[i], "begin ", begin[i], " is outside dimension ", i, " of ",
              shape.text());
    const int64_t available = shape[i] - begin[i];
    p.require(size[i] >= -1 && size[i] <= available, "size ", size[i], " from ", begin[i], " is outside dimension ", i,
              " of ", shape.text());
    dims.push_back(static_cast<int32_t>(size[i] < 0 ? available : size[i]));
    offset += begin[i] * stride_of(shape, i);
  }
  const Shape output(dims);
  p.set_output(0, output);

  StridedCopy copy(element_bytes);
  for (int i = 0; i < shape.rank(); ++i) copy.add(output[i], stride_of(shape, i), stride_of(output, i));
  copy.start_at(offset, 0);
  return run_copy(p, copy);
}

// One dimension of the input as STRIDED_SLICE takes it.
struct AxisRange {
  int64_t start = 0, stride = 1, count = 0;
  bool keep = true;  // false: shrink_axis drops the dimension
};

// One entry of begin, end and strides with its mask bits.
struct SliceSpec {
  int64_t begin, end, stride;
  bool begin_masked, end_masked, shrink, offset;
};

// The indices clamped into the dimension, as TFLite's reference kernel does: it never complains about a range.
AxisRange resolve(const Preparation& p, const SliceSpec& spec, int64_t size) {
  const int64_t stride = spec.stride;
  p.require(stride != 0, "stride of 0");
  const int64_t lowest = stride > 0 ? 0 : -1, highest = stride > 0 ? size : size - 1;
  const auto clamp = [&](int64_t index) { return std::clamp(index < 0 ? index + size : index, lowest, highest); };
  const int64_t start = spec.begin_masked ? (stride > 0 ? 0 : size - 1) : clamp(spec.begin);
  if (spec.shrink) {
    p.require(stride > 0, "stride ", stride, " of a dimension that shrinks");
    p.require(start < size, "index ", spec.begin, " is outside a dimension of ", size);
    return {start, 1, 1, false};
  }
  const int64_t stop = spec.end_masked ? (stride > 0 ? size : -1) : clamp(spec.offset ? spec.end + start : spec.end);
  const int64_t length = stride > 0 ? stop - start : start - stop;
  const int64_t step = stride > 0 ? stride : -stride;
  const int64_t count = length > 0 ? (length - 1) / step + 1 : 0;
  // With `offset` the end is a length, and decides the shape alone.
  p.require(!spec.offset || count == (spec.end > 0 ? (spec.end - 1) / step + 1 : 0), "slice of ", spec.end, " from ",
            spec.begin, " is outside a dimension of ", size);
  return {start, stride, count, true};
}

struct Masks {
  explicit Masks(const Options& options)
      : begin(options.integer("begin_mask")),
        end(options.integer("end_mask")),
        ellipsis(options.integer("ellipsis_mask")),
        new_axis(options.integer("new_axis_mask")),
        shrink(options.integer("shrink_axis_mask")) {}
  static bool has(int64_t mask, size_t i) { return mask >> i & 1; }

  int64_t begin, end, ellipsis, new_axis, shrink;
};

constexpr size_t kMaxSliceSpecs = 31;  // bits of a mask

// How many input dimensions the ellipsis stands for; 0 where there is none.
int ellipsis_width(const Preparation& p, const Masks& masks, size_t specs) {
  int ellipses = 0, taken = 0;
  for (size_t i = 0; i < specs; ++i) {
    if (Masks::has(masks.ellipsis, i)) {
      ++ellipses;
    } else if (!Masks::has(masks.new_axis, i)) {
      ++taken;
    }
  }
  const int rank = p.input(0).shape.rank();
  p.require(taken <= rank, "slice of ", taken, " dimensions for input of rank ", rank);
  p.require(ellipses <= 1, "more than one ellipsis");
  // TFLite gives such an ellipsis one dimension and drops the last index.
  if (ellipses == 1 && taken == rank) p.unsupported("an ellipsis that stands for no dimension");
  return ellipses == 1 ? rank - taken : 0;
}

Compute prepare_strided_slice(Preparation& p) {
  p.expect(4, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  const auto begin = p.value<int32_t>(1), end = p.value<int32_t>(2), strides = p.value<int32_t>(3);
  p.require(begin.size() == end.size() && begin.size() == strides.size(), "begin, end and strides have ", begin.size(),
            ", ", end.size(), " and ", strides.size(), " elements");
  p.require(begin.size() <= kMaxSliceSpecs, begin.size(), " indices, more than ", kMaxSliceSpecs);
  const Masks masks(p.options());
  const int width = ellipsis_width(p, masks, begin.size());
  const bool offset = p.options().boolean("offset");

  std::vector<int32_t> dims;
  std::vector<AxisRange> ranges;
  const auto take = [&](const AxisRange& range) {
    ranges.push_back(range);
    if (range.keep) dims.push_back(static_cast<int32_t>(range.count));
  };
  const auto take_all = [&](int count) {
    for (int i = 0; i < count; ++i) take({0, 1, shape[static_cast<int>(ranges.size())], true});
  };
  for (size_t i = 0; i < begin.size(); ++i) {
    if (Masks::has(masks.ellipsis, i)) {
      take_all(width);
    } else if (Masks::has(masks.new_axis, i)) {
      dims.push_back(1);
    } else {
      const SliceSpec spec{begin[i],
                           end[i],
                           strides[i],
                           Masks::has(masks.begin, i),
                           Masks::has(masks.end, i),
                           Masks::has(masks.shrink, i),
                           offset};
      take(resolve(p, spec, shape[static_cast<int>(ranges.size())]));
    }
  }
  take_all(shape.rank() - static_cast<int>(ranges.size()));
  p.set_output(0, Shape(dims));

  StridedCopy copy(element_bytes);
  int64_t in_offset = 0, out_stride = 1;
  std::vector<int64_t> out_strides(ranges.size());
  for (size_t i = ranges.size(); i-- > 0;) {
    out_strides[i] = out_stride;
    out_stride *= ranges[i].count;
  }
  for (size_t i = 0; i < ranges.size(); ++i) {
    const int64_t in_stride = stride_of(shape, static_cast<int>(i));
    in_offset += ranges[i].start * in_stride;
    copy.add(ranges[i].count, ranges[i].stride * in_stride, out_strides[i]);
  }
  copy.start_at(in_offset, 0);
  return run_copy(p, copy);
}

}  // namespace

void register_slice(Registry& registry) {
  registry.add("SLICE", prepare_slice);
  registry.add("STRIDED_SLICE", prepare_strided_slice);
}

}  // namespace subgraft
