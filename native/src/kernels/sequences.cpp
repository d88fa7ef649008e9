// CUMSUM and REVERSE_SEQUENCE: along one dimension.
#include <algorithm>
#include <cstring>

#include "kernels/arithmetic_math.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"
#include "kernels/map.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

struct Scan {
  int64_t depth = 0;   // elements that are added up
  int64_t stride = 0;  // between them; as many columns lie side by side
  bool exclusive = false, reverse = false;
};

// Columns begin .. end - 1 of one block of depth * stride elements.
template <typename T>
void scan(const Scan& s, const T* in, T* out, int64_t begin, int64_t end) {
  const int64_t step = s.reverse ? -s.stride : s.stride;
  int64_t at = s.reverse ? (s.depth - 1) * s.stride : 0;
  for (int64_t i = begin; i < end; ++i) out[at + i] = s.exclusive ? T{0} : in[at + i];
  for (int64_t d = 1; d < s.depth; ++d) {
    const T* added = in + (s.exclusive ? at : at + step);
    for (int64_t i = begin; i < end; ++i) out[at + step + i] = wrapping_add(out[at + i], added[i]);
    at += step;
  }
}

Compute prepare_cumsum(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  p.require(p.output(0).dtype == p.input(0).dtype, "input is ", dtype_name(p.input(0).dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  const auto axes = p.integers(1);
  p.require(axes.size() == 1, "the axis must be one number, not ", axes.size());
  const int axis = checked_axis(p, axes[0], shape.rank());
  p.set_output(0, shape);
  Scan s{shape[axis], stride_of(shape, axis), p.options().boolean("exclusive"), p.options().boolean("reverse")};
  if (!s.exclusive) p.share(0, 0);
  const int64_t columns = shape.elements() / std::max<int64_t>(1, s.depth);
  return dispatch<float, int32_t, int64_t>(p, p.input(0).dtype, [&](auto type) -> Compute {
    using T = decltype(type);
    return [s, columns](const Invocation& v) {
      v.parallel(columns, std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, s.depth)),
                 [&](int64_t begin, int64_t end) {
                   while (begin < end) {
                     const int64_t block = begin / s.stride, column = begin % s.stride;
                     const int64_t n = std::min(end - begin, s.stride - column), offset = block * s.depth * s.stride;
                     scan(s, v.in<T>(0) + offset, v.out<T>(0) + offset, column, column + n);
                     begin += n;
                   }
                 });
    };
  });
}

struct Reversal {
  int64_t batch_stride = 0, batches = 0;  // in elements of run_bytes
  int64_t steps_stride = 0, steps = 0;
  int64_t runs = 0, run_bytes = 0;
};

// Run i moves to where its step, counted from the end of its sequence, lies.
template <typename Length>
void reverse_sequences(const Invocation& v, const Reversal& r, int64_t begin, int64_t end) {
  const Length* lengths = v.in<Length>(1);
  for (int64_t i = begin; i < end; ++i) {
    const int64_t step = i / r.steps_stride % r.steps;
    const int64_t length = lengths[i / r.batch_stride % r.batches];
    const int64_t from = step < length ? i + (length - 1 - 2 * step) * r.steps_stride : i;
    std::memcpy(v.out<char>(0) + i * r.run_bytes, v.in<char>(0) + from * r.run_bytes, static_cast<size_t>(r.run_bytes));
  }
}

Compute prepare_reverse_sequence(Preparation& p) {
  p.expect(2, 1);
  const Shape &shape = p.input(0).shape, &lengths = p.input(1).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  const int64_t along = p.options().integer("seq_dim"), batch = p.options().integer("batch_dim");
  p.require(along >= 0 && along < shape.rank() && batch >= 0 && batch < shape.rank() && along != batch,
            "sequences along dimension ", along, " of batch dimension ", batch, " in shape ", shape.text());
  p.require(lengths == Shape{shape[static_cast<int>(batch)]}, "lengths of shape ", lengths.text(), " for ",
            shape[static_cast<int>(batch)], " sequences");
  p.set_output(0, shape);
  // Whole runs of the dimensions behind both are moved.
  const int last = static_cast<int>(std::max(along, batch));
  Reversal r;
  r.steps = shape[static_cast<int>(along)];
  r.batches = shape[static_cast<int>(batch)];
  if (shape.elements() > 0) {
    const int64_t run = shape.product(last + 1, shape.rank());
    r.runs = shape.elements() / run;
    r.run_bytes = run * element_bytes;
    r.steps_stride = stride_of(shape, static_cast<int>(along)) / run;
    r.batch_stride = stride_of(shape, static_cast<int>(batch)) / run;
  }
  return dispatch<int32_t, int64_t>(p, p.input(1).dtype, [&](auto type) -> Compute {
    using Length = decltype(type);
    return [r](const Invocation& v) {
      for (int64_t i = 0; i < r.batches; ++i)
        if (v.in<Length>(1)[i] > r.steps)
          throw RunError(
              concat("sequence ", i, " has a length of ", v.in<Length>(1)[i], ", but there are ", r.steps, " steps"));
      v.parallel(r.runs, row_grain(r.run_bytes),
                 [&](int64_t begin, int64_t end) { reverse_sequences<Length>(v, r, begin, end); });
    };
  });
}

}  // namespace

void register_sequences(Registry& registry) {
  registry.add("CUMSUM", prepare_cumsum);
  registry.add("REVERSE_SEQUENCE", prepare_reverse_sequence);
}

}  // namespace subgraft
