// What CONV_2D and DEPTHWISE_CONV_2D share: their sizes, checked.
#pragma once

#include <cstdint>

#include "kernels/window.h"

namespace subgraft {

// Sizes of one 2-D convolution: NHWC activations, weights [channels_out, y, x, depth] or [1, y, x, channels_out].
struct ConvGeometry {
  int32_t batches = 0, channels_in = 0, channels_out = 0;
  int32_t depth = 0;   // input channels that one output channel reads
  int32_t groups = 1;  // CONV_2D only
  Window y, x;

  int64_t image() const { return int64_t{y.in} * x.in * channels_in; }       // input elements of one batch
  int64_t pixels() const { return int64_t{batches} * y.out * x.out; }        // output positions
  int64_t taps() const { return int64_t{y.filter} * x.filter * depth; }      // weights of one output channel
  int64_t outputs() const { return int64_t{y.out} * x.out * channels_out; }  // output elements of one batch
};

inline ConvGeometry conv_geometry(Preparation& p, bool depthwise) {
  p.expect(2, 3, 1);
  const Shape& in = p.input(0).shape;
  const Shape& weights = p.input(1).shape;
  p.require(in.rank() == 4, "the input has shape ", in.text(), "; it must have rank 4");
  p.require(weights.rank() == 4, "the weights have shape ", weights.text(), "; they must have rank 4");
  ConvGeometry g;
  g.batches = in[0];
  g.channels_in = in[3];
  g.channels_out = weights[depthwise ? 3 : 0];
  p.require(g.channels_in > 0 && g.channels_out > 0 && weights[3] > 0, "no channels");
  if (depthwise) {
    p.require(weights[0] == 1, "the weights have shape ", weights.text(), "; the first dimension must be 1");
    p.require(g.channels_out % g.channels_in == 0, g.channels_out, " output channels are no multiple of ",
              g.channels_in, " input channels");
    g.depth = 1;
  } else {
    g.depth = weights[3];
    p.require(g.channels_in % g.depth == 0, g.channels_in, " input channels are no multiple of the weights' ", g.depth);
    g.groups = g.channels_in / g.depth;
    p.require(g.channels_out % g.groups == 0, g.channels_out, " output channels do not divide into ", g.groups,
              " groups");
  }
  const Options& o = p.options();
  const int64_t padding = o.integer("padding");
  g.y = make_window(p, padding, in[1], weights[1], o.integer("stride_h"), o.integer("dilation_h_factor", 1));
  g.x = make_window(p, padding, in[2], weights[2], o.integer("stride_w"), o.integer("dilation_w_factor", 1));
  p.set_output(0, Shape{g.batches, g.y.out, g.x.out, g.channels_out});
  return g;
}

}  // namespace subgraft
