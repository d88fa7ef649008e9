// The arithmetic of CONV_3D and CONV_3D_TRANSPOSE.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/dot.h"
#include "kernels/window.h"

namespace subgraft {

// NDHWC activations. Axes 0, 1 and 2 are depth, height and width. Weights are [d, h, w, in, out] of CONV_3D and
// [d, h, w, out, in] of CONV_3D_TRANSPOSE, whose windows are those of the convolution that goes the other way.
struct Conv3DGeometry {
  int32_t batches = 0, channels_in = 0, channels_out = 0;
  std::array<Window, 3> axes;

  int64_t points(const std::array<int32_t, 3>& sizes) const { return int64_t{sizes[0]} * sizes[1] * sizes[2]; }
  std::array<int32_t, 3> inner() const { return {axes[0].in, axes[1].in, axes[2].in}; }
  std::array<int32_t, 3> outer() const { return {axes[0].out, axes[1].out, axes[2].out}; }
  int64_t taps() const { return int64_t{axes[0].filter} * axes[1].filter * axes[2].filter; }
};

// A position in [batches, sizes], counted through.
struct Position3D {
  int64_t batch;
  std::array<int64_t, 3> at;

  Position3D(int64_t index, const std::array<int32_t, 3>& sizes) {
    for (int i = 2; i >= 0; --i) {
      at[i] = index % sizes[i];
      index /= sizes[i];
    }
    batch = index;
  }
};

// Output channels that are summed side by side.
inline constexpr int64_t kConv3DChannels = 64;

// The output positions from `begin` to `end`; finish(index of the output element, channel, sum).
template <typename Finish>
void convolve_3d(const Conv3DGeometry& g, const float* in, const float* w, int64_t begin, int64_t end,
                 const Finish& finish) {
  const auto& [d, h, x] = g.axes;
  for (int64_t index = begin; index < end; ++index) {
    const Position3D position(index, g.outer());
    const Window::Taps depth = d.taps(position.at[0]), rows = h.taps(position.at[1]), columns = x.taps(position.at[2]);
    const float* image = in + position.batch * g.points(g.inner()) * g.channels_in;
    for (int64_t first = 0; first < g.channels_out; first += kConv3DChannels) {
      const int64_t channels = std::min(kConv3DChannels, g.channels_out - first);
      float sums[kConv3DChannels] = {};
      for (int64_t i = depth.begin; i < depth.end; ++i) {
        for (int64_t j = rows.begin; j < rows.end; ++j) {
          for (int64_t k = columns.begin; k < columns.end; ++k) {
            const int64_t z = d.origin(position.at[0]) + i * d.dilation, y = h.origin(position.at[1]) + j * h.dilation;
            const int64_t pixel = (z * h.in + y) * x.in + x.origin(position.at[2]) + k * x.dilation;
            const float* from = image + pixel * g.channels_in;
            const float* weights = w + ((i * h.filter + j) * x.filter + k) * g.channels_in * g.channels_out + first;
            for (int64_t c = 0; c < g.channels_in; ++c, weights += g.channels_out)
              for (int64_t o = 0; o < channels; ++o) sums[o] += from[c] * weights[o];
          }
        }
      }
      for (int64_t o = 0; o < channels; ++o) finish(index * g.channels_out + first + o, first + o, sums[o]);
    }
  }
}

// The input that meets output `o` of a transposed convolution at filter element `tap`; -1: none.
inline int64_t input_at(const Window& w, int64_t o, int64_t tap) {
  const int64_t steps = o + w.before - tap * w.dilation;
  if (steps < 0 || steps % w.stride != 0 || steps / w.stride >= w.out) return -1;
  return steps / w.stride;
}

// As convolve_3d, for CONV_3D_TRANSPOSE. Filters run backwards, so that inputs run forwards as in the reference.
template <typename Finish>
void convolve_3d_transposed(const Conv3DGeometry& g, const float* in, const float* w, int64_t begin, int64_t end,
                            const Finish& finish) {
  const auto& [d, h, x] = g.axes;
  for (int64_t index = begin; index < end; ++index) {
    const Position3D position(index, g.inner());
    const float* image = in + position.batch * g.points(g.outer()) * g.channels_in;
    for (int64_t first = 0; first < g.channels_out; first += kConv3DChannels) {
      const int64_t channels = std::min(kConv3DChannels, g.channels_out - first);
      float sums[kConv3DChannels] = {};
      for (int64_t i = d.filter - 1; i >= 0; --i) {
        const int64_t z = input_at(d, position.at[0], i);
        for (int64_t j = h.filter - 1; z >= 0 && j >= 0; --j) {
          const int64_t y = input_at(h, position.at[1], j);
          for (int64_t k = x.filter - 1; y >= 0 && k >= 0; --k) {
            const int64_t column = input_at(x, position.at[2], k);
            if (column < 0) continue;
            const float* from = image + ((z * h.out + y) * x.out + column) * g.channels_in;
            const float* weights = w + (((i * h.filter + j) * x.filter + k) * g.channels_out + first) * g.channels_in;
            for (int64_t o = 0; o < channels; ++o)
              add_dots<1>(from, weights + o * g.channels_in, 0, g.channels_in, RealProduct(), sums + o);
          }
        }
      }
      for (int64_t o = 0; o < channels; ++o) finish(index * g.channels_out + first + o, first + o, sums[o]);
    }
  }
}

}  // namespace subgraft
