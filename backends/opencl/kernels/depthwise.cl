// Depthwise convolution: an item sums TN output channels of TM neighbouring pixels of one row.
// NHWC activations, weights [tap y][tap x][channels padded to TN] less their zero point.
// SINGLE: all channels of a vector exist, and each has an input channel of its own.

#define SUMS JOIN(ELEMENT, TN)

__kernel void NAME(PARAMETERS) {
  const int column = get_global_id(0) * TN, strip = get_global_id(1);
  if (column >= channels_out || strip >= strips) return;
  const int row = strip / strips_of_row, first = (strip - row * strips_of_row) * TM;
  const int n = row / out_y, top = (row - n * out_y) * stride_y - before_y, left = first * stride_x - before_x;

  SUMS sums[TM];
#pragma unroll
  for (int i = 0; i < TM; ++i) sums[i] = (SUMS)(0);
  for (int tap_y = 0, y = top; tap_y < kernel_y; ++tap_y, y += dilation_y) {
    if (y < 0 || y >= in_y) continue;
    __global const TYPE_x *line = POINTER(x) + (n * in_y + y) * in_x * channels_in;
    for (int tap_x = 0; tap_x < kernel_x; ++tap_x) {
      const SUMS w = WEIGHTS((tap_y * kernel_x + tap_x) * padded + column);
#pragma unroll
      for (int i = 0; i < TM; ++i) {
        const int from = left + i * stride_x + tap_x * dilation_x;
        if (from < 0 || from >= in_x) continue;
#ifdef SINGLE
        const SUMS a = LANES_FROM(TYPE_x, line + from * channels_in + column);
#else
        ELEMENT values[TN];
#pragma unroll
        for (int j = 0; j < TN; ++j)
          values[j] = X(line + from * channels_in + min(column + j, channels_out - 1) / multiplier_of_channels);
        const SUMS a = JOIN(vload, TN)(0, values);
#endif
        sums[i] = MULTIPLY_ADD(a - (SUMS)(ZERO), w, sums[i]);
      }
    }
  }

#ifdef ROLLED
#pragma nounroll
#else
#pragma unroll
#endif
  for (int i = 0; i < TM; ++i) {
    if (first + i >= out_x) continue;
    const int pixel = row * out_x + first + i;
    TOTAL_TYPE totals[TN];
    JOIN(vstore, TN)(TO_TOTAL(sums[i]), 0, totals);
#ifdef ROLLED
#pragma nounroll
#else
#pragma unroll
#endif
    for (int j = 0; j < TN; ++j) {
      const int c = column + j;
      if (c >= channels_out) continue;
      EPILOGUE(pixel * channels_out + c, FINISH(BIASED(totals[j], c), c));
    }
  }
}

#undef SUMS
