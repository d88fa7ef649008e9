#include "kernels/int8_convolution.h"

#include <cstring>

namespace subgraft {
namespace {

constexpr int64_t kLine = 64;  // bytes of a cache line

int64_t whole_lines(int64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

// Rows of a panel do not begin at the same place of a page: they would meet in the same set of the cache.
int64_t panel_stride(int64_t padded_depth) {
  constexpr int64_t kPage = 4096;
  return padded_depth > 0 && padded_depth % (kPage / 4) == 0 ? padded_depth + kLine : padded_depth;
}

// Rows of one block: as the kernel likes them, fewer where the panel would leave the first cache.
int64_t block_rows(const Int8Gemm& gemm, int64_t stride) {
  constexpr int64_t kPanelBytes = 32 << 10;
  return gemm.rows * stride > kPanelBytes ? gemm.rows / 2 : gemm.rows;
}

// What of an axis the windows cover.
int64_t covered(const Window& w) { return (int64_t{w.out} - 1) * w.stride + (int64_t{w.filter} - 1) * w.dilation + 1; }

bool needs_padding(const Window& w) { return w.before != 0 || covered(w) > w.in; }

// A window of one element that moves by one: positions are elements, and all images are one.
ConvGeometry flattened(ConvGeometry g) {
  const auto is_trivial = [](const Window& w) {
    return w.filter == 1 && w.stride == 1 && w.before == 0 && w.in == w.out;
  };
  if (!is_trivial(g.y) || !is_trivial(g.x) || g.pixels() > INT32_MAX) return g;
  g.x.in = g.x.out = static_cast<int32_t>(g.pixels());
  g.y.in = g.y.out = g.batches = 1;
  return g;
}

}  // namespace

// Output positions [begin, end) of one group.
struct Int8Convolution::Block {
  const uint8_t* image;  // of the first batch, at the group's first channel
  int64_t first_in;      // the group's first channel
  int64_t begin, end;
};

Int8Convolution::Int8Convolution(Preparation& p, const ConvGeometry& g, int data, std::vector<Int8Layer> layers,
                                 const Int8Place& place)
    : g_(place.is_whole() ? flattened(g) : g),
      data_(data),
      layers_(std::move(layers)),
      place_(place),
      is_padded_(g_.taps() > 0 && (needs_padding(g_.y) || needs_padding(g_.x))),
      y_size_(is_padded_ ? covered(g_.y) : g_.y.in),
      x_size_(is_padded_ ? covered(g_.x) : g_.x.in),
      out_bytes_(dtype_bits(p.output(0).dtype) / 8),
      pieces_(g_.pixels(), layers_[0], p.threads()) {
  const Int8Layer& layer = layers_[0];
  zero_ = static_cast<uint8_t>(p.input(data).zero_point()) ^ layer.flip();
  flip_ = is_padded_ ? 0 : layer.flip();
  is_adjacent_ = g_.x.dilation == 1 && g_.groups == 1;
  stride_ = panel_stride(layer.padded_depth());
  rows_ = block_rows(layer.gemm(), stride_);
  panel_bytes_ = whole_lines(std::max<int64_t>(rows_, layer.gemm().least_rows) * stride_);
  const bool is_flat = g_.y.out == 1 && g_.batches == 1 && g_.y.filter == 1 && g_.x.filter == 1 && g_.x.stride == 1;
  is_direct_ = is_flat && flip_ == 0;
  is_small_ = is_flat && !is_padded_ && place_.is_whole() && g_.groups == 1 && pieces_.pieces == 1 &&
              (!layer.gemm().begin || g_.x.out < layer.gemm().begin_rows) && g_.x.out <= rows_ && g_.depth > 0;
  if (is_padded_) padded_ = p.scratch(g_.batches * y_size_ * image_row());
  panels_ = p.scratch(pieces_.pieces * panel_bytes_);
  sums_ = p.scratch(pieces_.pieces * kInt8SumBytes);
}

// A few rows, as FULLY_CONNECTED mostly has: nothing is divided or looked for.
void Int8Convolution::run_rows(const Invocation& v) const {
  const Int8Layer& layer = layers_[0];
  const uint8_t* x = v.in<uint8_t>(data_);
  int64_t stride = g_.channels_in;
  if (!can_be_rows({x, 0, 0, g_.x.out})) {
    layer.gemm().copy_runs({x, g_.x.out, stride, 1, 0, 1, 0, g_.depth, flip_, v.scratch<uint8_t>(panels_), stride_});
    x = v.scratch<uint8_t>(panels_);
    stride = stride_;
  }
  layer.run(x, stride, g_.x.out, 0, layer.blocks(), v.out<std::byte>(0), g_.channels_out, v.scratch<int32_t>(sums_));
}

void Int8Convolution::run(const Invocation& v) const {
  if (is_small_) return run_rows(v);
  constexpr int64_t kBytesWorthAThread = 1 << 16;
  if (is_padded_) {
    const int64_t grain = kBytesWorthAThread / image_row() + 1;
    v.parallel(g_.batches * y_size_, grain, [&](int64_t begin, int64_t end) { pad(v, begin, end); });
  }
  v.parallel(pieces_.pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) piece(v, i);
  });
}

// Rows [begin, end) of the padded images.
void Int8Convolution::pad(const Invocation& v, int64_t begin, int64_t end) const {
  const Int8Layer& layer = layers_[0];
  const int64_t left = std::max<int64_t>(0, g_.x.before), skipped = std::max<int64_t>(0, -g_.x.before);
  const int64_t columns = std::max<int64_t>(0, std::min(g_.x.in - skipped, x_size_ - left));
  const int64_t depth = g_.channels_in, bytes = columns * depth;
  uint8_t* to = v.scratch<uint8_t>(padded_) + begin * image_row();
  for (int64_t row = begin; row < end; ++row, to += image_row()) {
    const int64_t batch = row / y_size_, y = row - batch * y_size_ - g_.y.before;
    if (y < 0 || y >= g_.y.in || bytes == 0) {
      std::memset(to, zero_, image_row());
      continue;
    }
    const uint8_t* from = v.in<uint8_t>(data_) + batch * g_.image() + (y * g_.x.in + skipped) * depth;
    std::memset(to, zero_, left * depth);
    layer.gemm().copy_runs({from, 1, 0, 1, 0, 1, 0, bytes, layer.flip(), to + left * depth, 0});
    std::memset(to + left * depth + bytes, zero_, image_row() - left * depth - bytes);
  }
}

// Whether a block's activations can be read as rows of a product. Bytes behind the last row must be the image's.
bool Int8Convolution::can_be_rows(const Block& b) const {
  const Int8Layer& layer = layers_[0];
  if (!is_direct_ || b.end - b.begin < layer.gemm().least_rows) return false;
  const int64_t behind = (x_size_ - b.end) * g_.channels_in + g_.channels_in - b.first_in - g_.depth;
  return behind >= layer.padded_depth() - g_.depth;
}

// The taps of a block's positions as the rows of a panel.
void Int8Convolution::gather(const Block& b, uint8_t* panel) const {
  Int8Runs runs{};
  runs.step = g_.x.stride * g_.channels_in;
  runs.y_runs = g_.y.filter;
  runs.y_step = g_.y.dilation * image_row();
  runs.x_runs = is_adjacent_ ? 1 : g_.x.filter;
  runs.x_step = g_.x.dilation * g_.channels_in;
  runs.bytes = is_adjacent_ ? int64_t{g_.x.filter} * g_.depth : g_.depth;
  if (runs.y_runs * runs.x_runs * runs.bytes == 0) return;
  runs.flip = flip_;
  runs.to = panel;
  runs.to_stride = stride_;
  for (int64_t at = b.begin; at < b.end; at += runs.positions, runs.to += runs.positions * stride_) {
    const int64_t row = at / g_.x.out, batch = row / g_.y.out;
    const int64_t y = (row - batch * g_.y.out) * g_.y.stride, column = at - row * g_.x.out;
    runs.positions = std::min(b.end - at, g_.x.out - column);
    runs.from = b.image + ((batch * y_size_ + y) * x_size_ + column * g_.x.stride) * g_.channels_in;
    layers_[0].gemm().copy_runs(runs);
  }
}

// Positions from this one that lie in the output one behind the other.
int64_t Int8Convolution::rows_until(int64_t position, int64_t end) const {
  return place_.is_whole() ? end - position : std::min(end - position, g_.x.out - position % g_.x.out);
}

std::byte* Int8Convolution::target(const Invocation& v, int64_t position) const {
  int64_t pixel = position;
  if (!place_.is_whole()) {
    const int64_t row = position / g_.x.out, batch = row / g_.y.out;
    const int64_t y = place_.y + (row - batch * g_.y.out) * place_.y_step;
    const int64_t x = place_.x + (position - row * g_.x.out) * place_.x_step;
    pixel = (batch * place_.height + y) * place_.width + x;
  }
  return v.out<std::byte>(0) + pixel * g_.channels_out * out_bytes_;
}

void Int8Convolution::piece(const Invocation& v, int64_t index) const {
  const auto part = pieces_.part(index);
  const Int8Gemm& gemm = layers_[0].gemm();
  uint8_t* panel = v.scratch<uint8_t>(panels_) + index * panel_bytes_;
  int32_t* sums = v.scratch<int32_t>(sums_) + index * (kInt8SumBytes / 4);
  const uint8_t* images = is_padded_ ? v.scratch<uint8_t>(padded_) : v.in<uint8_t>(data_);
  const int64_t out_stride = g_.channels_out * place_.x_step;
  const bool begins = gemm.begin && g_.pixels() >= gemm.begin_rows;
  if (begins) gemm.begin();
  for (size_t group = 0; group < layers_.size(); ++group) {
    const Int8Layer& layer = layers_[group];
    const int64_t first_in = static_cast<int64_t>(group) * g_.depth;
    const int64_t first_out = static_cast<int64_t>(group) * layer.channels() * out_bytes_;
    for (int64_t row = part.row_begin; row < part.row_end;) {
      const int64_t count = rows_until(row, std::min(row + rows_, part.row_end));
      const Block block{images + first_in, first_in, row, row + count};
      std::byte* out = target(v, row) + first_out;
      if (can_be_rows(block)) {
        const uint8_t* x = block.image + row * g_.channels_in;
        layer.run(x, g_.channels_in, count, part.block_begin, part.block_end, out, out_stride, sums);
      } else {
        gather(block, panel);
        layer.run(panel, stride_, count, part.block_begin, part.block_end, out, out_stride, sums);
      }
      row += count;
    }
  }
  if (begins) gemm.end();
}

}  // namespace subgraft
