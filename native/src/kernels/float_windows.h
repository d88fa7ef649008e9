// Windows of images as rows of matrices: input rows with their padding, and windows one after the other.
#pragma once

#include <cstdint>

#include "kernels/convolution.h"

namespace subgraft {

// Rows of a padded image that the windows of some output rows read, without what no window reaches.
struct PaddedRows {
  ConvGeometry g;

  int64_t width() const { return (g.x.out - 1) * g.x.stride + (g.x.filter - 1) * g.x.dilation + 1; }
  int64_t step() const { return width() * g.channels_in; }  // floats between rows
  int64_t count(int64_t out_rows) const { return (out_rows - 1) * g.y.stride + (g.y.filter - 1) * g.y.dilation + 1; }
  // Those of output rows [first, first + out_rows) of one image.
  void copy(const float* image, int64_t first, int64_t out_rows, float* to) const;
};

// Output positions first, first + step, ... of all images, which are counted row by row.
struct Positions {
  int64_t first, step, count;
};

// Their windows for one group, [position, y, x, depth], with zeros outside the image.
void gather_windows(const ConvGeometry& g, const float* in, int64_t group, const Positions& positions, float* to);

}  // namespace subgraft
