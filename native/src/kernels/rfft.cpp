// RFFT2D: the frequencies of real matrices.
#include "micro/rfft.h"

#include <algorithm>
#include <complex>
#include <memory>
#include <vector>

#include "kernels/families.h"
#include "kernels/fft.h"

namespace subgraft {
namespace {

using Complex = std::complex<double>;

struct Rfft {
  Rfft(int64_t height, int64_t width)
      : height(height), columns(width / 2 + 1), width(width), along(width), down(height) {}

  int64_t height, columns, width;  // columns: of the output
  RealFft along;
  Fft down;
  int64_t input_height = 0, input_width = 0;  // the rest is zero where the transform is larger

  int64_t slice() const { return height * columns; }

  // `work` holds slice() numbers, `column` as many as the transform is high.
  void operator()(const float* in, std::complex<float>* out, Complex* work, Complex* column) const {
    const int64_t given = std::min(width, input_width);
    for (int64_t row = 0; row < height; ++row) {
      Complex* x = work + row * columns;
      std::fill_n(x, columns, Complex{});
      if (row >= input_height) continue;
      auto* reals = reinterpret_cast<double*>(x);
      std::copy_n(in + row * input_width, given, reals);
      along(x);
    }
    for (int64_t c = 0; height > 1 && c < columns; ++c) {
      for (int64_t row = 0; row < height; ++row) column[row] = work[row * columns + c];
      down(column);
      for (int64_t row = 0; row < height; ++row) work[row * columns + c] = column[row];
    }
    for (int64_t i = 0; i < slice(); ++i) out[i] = std::complex<float>(work[i]);
  }
};

// Where each of `length` numbers, a power of two, goes: to the place with the same bits in reverse order.
std::vector<int32_t> reversed_order(int64_t length) {
  std::vector<int32_t> order(static_cast<size_t>(length));
  for (size_t i = 1; i < order.size(); ++i)
    order[i] = order[i / 2] / 2 + static_cast<int32_t>(i % 2 != 0 ? length / 2 : 0);
  return order;
}

// Several rows at once. Empty where there are no kernels for this op: matrices of several rows, or single long rows.
Compute rfft_on_vectors(Preparation& p, const std::shared_ptr<const Rfft>& rfft, int64_t slices) {
  constexpr int64_t kMostLength = 1 << 12;  // so that what a piece works with stays in a cache
  const RealTransform* transform = real_transform();
  if (!transform || rfft->height != 1 || rfft->input_height == 0 || rfft->width < 4 || rfft->width > kMostLength)
    return {};
  if (slices < 2) return {};
  const int64_t groups = (slices + transform->lanes - 1) / transform->lanes;
  const int64_t pieces = std::min<int64_t>(groups, p.threads());
  const int64_t doubles = 2 * rfft->columns * transform->lanes;
  const int work = p.scratch(pieces * doubles * int64_t{sizeof(double)});
  constexpr int64_t kGrain = 16384;  // output elements that are worth a thread
  const int64_t grain = kGrain / (rfft->columns * transform->lanes * groups / pieces) + 1;
  return [=, order = reversed_order(rfft->width / 2)](const Invocation& v) {
    v.parallel(pieces, grain, [&](int64_t begin, int64_t end) {
      for (int64_t group = groups * begin / pieces; group < groups * end / pieces; ++group) {
        const int64_t first = group * transform->lanes, stride = rfft->input_height * rfft->input_width;
        const RealRows rows{.length = rfft->width,
                            .reversed = order.data(),
                            .half_roots = reinterpret_cast<const double*>(rfft->along.half().roots().data()),
                            .roots = reinterpret_cast<const double*>(rfft->along.roots().data()),
                            .in = v.in<float>(0) + first * stride,
                            .in_stride = stride,
                            .given = std::min(rfft->width, rfft->input_width),
                            .rows = std::min(transform->lanes, slices - first),
                            .work = v.scratch<double>(work) + begin * doubles,
                            .out = v.out<float>(0) + first * 2 * rfft->columns};
        transform->run(rows);
      }
    });
  };
}

Compute prepare_rfft2d(Preparation& p) {
  p.expect(2, 1);
  const Operand& input = p.input(0);
  if (input.dtype != DType::float32 || p.output(0).dtype != DType::complex64)
    p.unsupported("input ", dtype_name(input.dtype), " with output ", dtype_name(p.output(0).dtype));
  const int rank = input.shape.rank();
  p.require(rank >= 2, "input has shape ", input.shape.text(), ", which is no matrix");
  p.require(p.input(1).shape.rank() == 1 && p.input(1).shape[0] == 2, "lengths have shape ", p.input(1).shape.text(),
            ", not [2]");
  const auto lengths = p.value<int32_t>(1);
  for (const int32_t length : lengths)
    if (!is_fft_length(length))
      p.unsupported("a transform of length ", length, "; it must be a power of two, ", kMaxFftLength, " at most");
  p.set_output(0, input.shape.with(rank - 2, lengths[0]).with(rank - 1, lengths[1] / 2 + 1));
  const auto rfft = std::make_shared<Rfft>(lengths[0], lengths[1]);
  rfft->input_height = input.shape[rank - 2];
  rfft->input_width = input.shape[rank - 1];

  const int64_t slices = input.shape.product(0, rank - 2);
  if (Compute fast = rfft_on_vectors(p, rfft, slices)) return fast;
  const int work = p.scratch(slices * rfft->slice() * int64_t{sizeof(Complex)});
  const int column = p.scratch(slices * rfft->height * int64_t{sizeof(Complex)});
  return [rfft = std::shared_ptr<const Rfft>(rfft), slices, work, column](const Invocation& v) {
    const int64_t size = rfft->slice();
    constexpr int64_t kGrain = 2048;  // output elements that are worth a thread
    v.parallel(slices, kGrain / size + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        (*rfft)(v.in<float>(0) + i * rfft->input_height * rfft->input_width, v.out<std::complex<float>>(0) + i * size,
                v.scratch<Complex>(work) + i * size, v.scratch<Complex>(column) + i * rfft->height);
    });
  };
}

}  // namespace

void register_rfft(Registry& registry) { registry.add("RFFT2D", prepare_rfft2d); }

}  // namespace subgraft
