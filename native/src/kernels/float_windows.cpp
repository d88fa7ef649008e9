#include "kernels/float_windows.h"

#include <algorithm>

namespace subgraft {

void PaddedRows::copy(const float* image, int64_t first, int64_t out_rows, float* to) const {
  const int64_t rows = count(out_rows), top = g.y.origin(first), left = std::min(g.x.before * g.channels_in, step());
  const int64_t in_row = int64_t{g.x.in} * g.channels_in, copied = std::min(in_row, step() - left);
  for (int64_t row = 0; row < rows; ++row, to += step()) {
    const int64_t y = top + row;
    if (y < 0 || y >= g.y.in) {
      std::fill(to, to + step(), 0.0f);
      continue;
    }
    std::fill(to, to + left, 0.0f);
    std::copy_n(image + y * in_row, copied, to + left);
    std::fill(to + left + copied, to + step(), 0.0f);
  }
}

namespace {

// One row of taps of one window: `taps` of them lie inside the image, `before` of them to the left of it.
float* copy_taps(const ConvGeometry& g, const float* row, int64_t x, Window::Taps taps, float* to) {
  const int64_t depth = g.depth, inside = taps.end - taps.begin, step = g.x.dilation * g.channels_in;
  to = std::fill_n(to, taps.begin * depth, 0.0f);
  const float* from = row + (x + taps.begin * g.x.dilation) * g.channels_in;
  if (step == depth) {
    to = std::copy_n(from, inside * depth, to);
  } else {
    for (int64_t tap = 0; tap < inside; ++tap, from += step) to = std::copy_n(from, depth, to);
  }
  return std::fill_n(to, (g.x.filter - taps.end) * depth, 0.0f);
}

}  // namespace

void gather_windows(const ConvGeometry& g, const float* in, int64_t group, const Positions& positions, float* to) {
  const int64_t row_of_taps = int64_t{g.x.filter} * g.depth;
  for (int64_t i = 0; i < positions.count; ++i) {
    const int64_t position = positions.first + i * positions.step;
    const int64_t out_row = position / g.x.out, batch = out_row / g.y.out;
    const int64_t out_y = out_row - batch * g.y.out, out_x = position - out_row * g.x.out;
    const Window::Taps rows = g.y.taps(out_y), columns = g.x.taps(out_x);
    const float* image = in + batch * g.image() + group * g.depth;
    to = std::fill_n(to, rows.begin * row_of_taps, 0.0f);
    for (int64_t tap = rows.begin; tap < rows.end; ++tap) {
      const int64_t y = g.y.origin(out_y) + tap * g.y.dilation;
      to = copy_taps(g, image + y * g.x.in * g.channels_in, g.x.origin(out_x), columns, to);
    }
    to = std::fill_n(to, (g.y.filter - rows.end) * row_of_taps, 0.0f);
  }
}

}  // namespace subgraft
