// Windows over images times packed weights: what CONV_2D, FULLY_CONNECTED and TRANSPOSE_CONV of 8-bit activations have
// in common.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/convolution.h"
#include "kernels/int8_layer.h"

namespace subgraft {

// Where output positions lie in the op's output, [batch, height, width, channels].
struct Int8Place {
  int64_t height, width;
  int64_t y = 0, x = 0, y_step = 1, x_step = 1;

  bool is_whole() const { return y_step == 1 && x_step == 1; }
};

class Int8Convolution {
 public:
  // layers: one for each group. g's padding may be on any side: Window::before, and `out` as large as is wanted.
  Int8Convolution(Preparation& p, const ConvGeometry& g, int data, std::vector<Int8Layer> layers,
                  const Int8Place& place);

  void run(const Invocation& v) const;

 private:
  struct Block;
  void pad(const Invocation& v, int64_t begin, int64_t end) const;
  void run_rows(const Invocation& v) const;
  void piece(const Invocation& v, int64_t index) const;
  bool can_be_rows(const Block& block) const;
  void gather(const Block& block, uint8_t* panel) const;
  int64_t rows_until(int64_t position, int64_t end) const;
  std::byte* target(const Invocation& v, int64_t position) const;
  int64_t image_row() const { return x_size_ * g_.channels_in; }

  ConvGeometry g_;
  int data_;
  std::vector<Int8Layer> layers_;
  Int8Place place_;
  uint8_t zero_, flip_;      // flip: of what is gathered
  bool is_padded_;           // images are copied, with what is around them
  int64_t y_size_, x_size_;  // of the images that windows slide over
  bool is_direct_;           // activations are rows of a product as they lie there
  bool is_small_;            // so are all of them, and they are few
  bool is_adjacent_;         // the taps of a row of the window are neighbours
  int64_t stride_, rows_;    // of a panel
  int64_t panel_bytes_;
  int64_t out_bytes_;
  Int8Pieces pieces_;
  int padded_ = 0, panels_ = 0, sums_ = 0;  // scratch slots
};

}  // namespace subgraft
