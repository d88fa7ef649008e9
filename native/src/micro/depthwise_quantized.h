// DEPTHWISE_CONV_2D with integer activations and 8-bit weights on vectors.
//
// The rows that one row of outputs needs are copied to a buffer first, four rows interleaved: 32 bits hold one column
// and channel of four rows, positions outside the image hold the zero point, and a channel multiplier is spelt out. A
// tap of all four rows is then one dot product of four bytes at a fixed distance in the buffer. Of 16-bit activations
// two rows are interleaved, and dot products are those of pairs. Where neighbouring rows of outputs are summed together
// (`rows` = 2), both use the same columns with weights of their own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace subgraft {

inline constexpr int kDepthwiseColumns = 64;  // the widest filter, and the largest horizontal stride
inline constexpr int kDepthwiseSteps = 256;   // the most dot products of one output
inline constexpr int kDepthwiseGroups = 32;   // the most groups of interleaved rows of the input

// Columns of the image that are plane_stride apart, from residue `first`; they are neighbours in the buffer.
struct DepthwisePlane {
  int64_t first = 0;
  int64_t low = 0, extent = 0;  // the taps of output 0 reach from column `low` of the plane to `low + extent`
};

// What becomes of the sums.
enum class DepthwiseFinish : unsigned char {
  quick,      // 8 bits: both roundings in one shift, where sums are far from the ends of 32 bits
  rectified,  // the same where outputs are not less than their zero point
  careful,    // 8 bits: any sum and multiplier
  wide,       // 16-bit activations: sums and biases of 64 bits
  real,       // float32: activations were quantized on the way in
};

// What a layer looks like, and how it is divided. Numbers of channels are the output's.
struct QuantizedDepthwise {
  int32_t batches = 0, in_height = 0, in_width = 0, channels_in = 0;
  int32_t out_height = 0, out_width = 0, channels = 0, multiplier = 1;
  int32_t filter_height = 0, filter_width = 0;
  int64_t stride_y = 1, dilation_y = 1, before_y = 0;

  int32_t rows = 1;    // of outputs, summed together: dilation_y apart
  int32_t pairs = 0;   // groups of `rows` rows
  int32_t groups = 0;  // of 4 / in_bytes rows of the input
  int32_t in_bytes = 1, out_bytes = 1;
  int32_t block = 0;  // channels that are computed together
  int32_t blocks = 0;
  int32_t unit = 1;     // pixels after which the vectors repeat: unit * block channels fill them
  int32_t vectors = 0;  // of a full block
  int32_t strip = 0;    // columns of outputs that the buffer has room for
  int32_t parts = 1;    // vectors of weights for one step
  int32_t steps = 0;    // dot products of one output: filter_width * groups
  int32_t planes = 0;
  int64_t plane_stride = 1, plane_step = 1;  // columns of a plane from one output to the next: plane_step
  DepthwisePlane plane[kDepthwiseColumns];
  int64_t tap_plane[kDepthwiseColumns] = {}, tap_column[kDepthwiseColumns] = {};  // column: from the plane's `low`

  int64_t record_bytes = 0;  // of one vector in `table`
  int64_t buffer_bytes = 0;
  int64_t shared_offset = 0;  // in the buffer: a row of the input, where there is a multiplier
  bool is_signed = true;      // of input and output: int8
  DepthwiseFinish finish = DepthwiseFinish::quick;
  int32_t zero_point = 0;  // of the output
  int32_t min = 0, max = 0;
  float real_min = 0, real_max = 0;
};

// One vector of the table, for L lanes: parameters of the last step, then the weights [step][row][part]. Each is a
// vector of 4L bytes. `start` is what a sum begins with.
//   quick:     start, even, odd, add_even, add_odd, limit, shift, parts; rectified the same
//   careful:   start, multipliers, shifts, four unused, parts
//   wide:      start, multipliers, unused, add_even, add_odd, shift_even, shift_odd, parts
//   real:      start, sums of weights, scales, bias, three unused, parts
// where `parts` is how many of the parts the vector's weights need.
inline constexpr int kDepthwiseHead = 8;

struct QuantizedDepthwiseCall {
  const QuantizedDepthwise* layer;
  const void* in;
  const std::byte* table;
  const void* zeros;  // a row of zero points: in_width * channels_in
  uint32_t zero;      // the zero point as the buffer has it, unsigned, four times
  void* out;
  // Of activations that were quantized on the way in.
  float input_scale;
  int32_t input_zero_point;
};

// How one instruction set computes a layer.
struct QuantizedDepthwiseKernel {
  int lanes;       // of 32 bits
  bool is_paired;  // weights are 16 bits: [even rows][odd rows]; else 8 bits, in two parts where they need more
  // Tasks from `begin` to `end` of batches * pairs * blocks, groups of rows in their order; buffer:
  // layer->buffer_bytes, aligned to 64.
  void (*run)(const QuantizedDepthwiseCall& call, int64_t begin, int64_t end, std::byte* buffer);
};

// Null: the reference has to do. Two parts of 8 bits hold weights up to kDepthwiseLargestWeight; larger ones need a
// kernel that is_paired.
inline constexpr int32_t kDepthwiseLargestWeight = 254;
const QuantizedDepthwiseKernel* quantized_depthwise(int32_t largest_weight);

}  // namespace subgraft
