// A convolution of bytes by tensor cores: a warp sums 16 * WM output pixels x 8 * WN channels.
// NHWC activations. weights: [channel, padded to 8 * WN][tap y][tap x][depth padded to `words` words of four bytes], the
// words of a multiple of 32 bytes. The depth is a multiple of 4. border: what surrounds the image, `depth` elements.
// SIGNS flips the highest bits of uint8. POINTWISE, INSIDE: as in conv.cl.

__kernel void NAME(PARAMETERS) {
  MMA_MEMORY
  const int lane = get_local_id(0), g = lane >> 2, t = lane & 3;
  const int column = get_group_id(0) * 8 * WN, first = get_group_id(1) * 16 * WM;
  if (column >= channels_out || first >= pixels) return;  // all lanes alike

  uint4 sums[WM][WN];
  int image[WM * 2], top[WM * 2], left[WM * 2];
#pragma unroll
  for (int i = 0; i < WM * 2; ++i) {
    const int m = min(first + i * 8 + g, pixels - 1);
#ifdef POINTWISE
    image[i] = m;
    top[i] = left[i] = 0;
#else
    const int row = m / out_x, n = row / out_y;
    image[i] = n * in_y * in_x;
    top[i] = (row - n * out_y) * stride_y - before_y;
    left[i] = (m - row * out_x) * stride_x - before_x;
#endif
  }
#pragma unroll
  for (int i = 0; i < WM; ++i)
#pragma unroll
    for (int j = 0; j < WN; ++j) sums[i][j] = (uint4)(0);

  const int row_of_weights = kernel_y * kernel_x * words;
  __global const uint *w = POINTER(weights) + (column + g) * row_of_weights + t;
  for (int tap_y = 0; tap_y < kernel_y; ++tap_y)
    for (int tap_x = 0; tap_x < kernel_x; ++tap_x) {
      __global const TYPE_x *from[WM * 2];
#pragma unroll
      for (int i = 0; i < WM * 2; ++i) {
        const int y = top[i] + tap_y * dilation_y, x_ = left[i] + tap_x * dilation_x;
#if !defined(POINTWISE) && !defined(INSIDE)
        if (y < 0 || y >= in_y || x_ < 0 || x_ >= in_x)
          from[i] = POINTER(border);
        else
#endif
          from[i] = POINTER(x) + (image[i] + y * in_x + x_) * channels_in;
      }
      for (int k = 0; k < words; k += 8, w += 8) {
        uint2 b[WN];
#pragma unroll
        for (int j = 0; j < WN; ++j) b[j] = (uint2)(w[j * 8 * row_of_weights], w[j * 8 * row_of_weights + 4]);
        const int near = (k + t) * 4, far = near + 16;
#define BYTES(row, at) ((at) < depth ? *(__global const uint *)(from[row] + (at)) ^ SIGNS : 0u)
#pragma unroll
        for (int i = 0; i < WM; ++i) {
          const uint4 a =
              (uint4)(BYTES(2 * i, near), BYTES(2 * i + 1, near), BYTES(2 * i, far), BYTES(2 * i + 1, far));
#pragma unroll
          for (int j = 0; j < WN; ++j) MMA(sums[i][j], a, b[j]);
        }
      }
    }

#pragma unroll
  for (int i = 0; i < WM * 2; ++i) {
    const int pixel = first + i * 8 + g;
    if (pixel >= pixels) continue;
#pragma unroll
    for (int j = 0; j < WN; ++j) {
      const uint2 two = i % 2 ? sums[i / 2][j].hi : sums[i / 2][j].lo;
      const int c0 = column + j * 8 + t * 2, c1 = c0 + 1;
      if (c0 < channels_out) EPILOGUE(pixel * channels_out + c0, FINISH(BIASED(two.s0, c0), c0));
      if (c1 < channels_out) EPILOGUE(pixel * channels_out + c1, FINISH(BIASED(two.s1, c1), c1));
    }
  }
}

#undef MMA_MEMORY
#undef MMA
#undef MMA_DOT
#undef BYTES
