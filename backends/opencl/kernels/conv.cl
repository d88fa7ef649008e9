// A convolution as a product of matrices that is never written out: an item sums TM output pixels x TN channels.
//
// NHWC activations. weights: [group][tap y][tap x][depth][channels of the group, padded to TN]; with PACKED, depth is
// in fours of signed bytes, padded with zeros. border: what surrounds the image, `depth` elements.
// POINTWISE: pixel m of the output reads pixel m of the input, and nothing else. INSIDE: no tap leaves the image.
// GROUPS: more than one. DEPTH4: the depth, and so each pixel's start, is a multiple of 4. FLUSH: sums are moved to
// totals before they could exceed `flush` products. TRANSPOSED: dimension 2 of the range are the output's phases, as
// many as stride_y * stride_x; each is a convolution of its own, with every stride-th tap. pixels: of one phase.
// ROLLED: loops over results stay loops, which keeps the text short that the compiler has to go through.

#define SUMS JOIN(ELEMENT, TN)
#define TOTALS JOIN(TOTAL_TYPE, TN)

#ifdef DEPTH4
#define STEPS_END c1
#else
#define STEPS_END (c1 & ~3)
#endif

__kernel void NAME(PARAMETERS) {
  const int block = get_global_id(0);
  const int first = get_global_id(1) * TM;
  if (block >= blocks || first >= pixels) return;
#ifdef GROUPS
  const int group = block / blocks_of_group;
  const int column = (block - group * blocks_of_group) * TN;
  const int first_channel = group * channels_of_group;
  const int first_depth = group * depth;
  const int first_weight = group * kernel_y * kernel_x * steps * padded + column;
#else
  const int column = block * TN, first_channel = 0, first_depth = 0, first_weight = column;
#endif

  int target[TM];  // output pixels
#ifdef POINTWISE
  __global const TYPE_x *from[TM];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
    target[i] = first + i;
    from[i] = POINTER(x) + min(first + i, pixels - 1) * channels_in + first_depth;
  }
  int w = first_weight;
#else
#ifdef TRANSPOSED
  const int phase = get_global_id(2);
  const int phase_y = phase / stride_x, phase_x = phase - phase_y * stride_x;
  const int begin_y = (phase_y + before_y) % stride_y, begin_x = (phase_x + before_x) % stride_x;
  const int columns = (out_x - phase_x + stride_x - 1) / stride_x, rows = (out_y - phase_y + stride_y - 1) / stride_y;
  const int last = columns * rows * batches - 1;
  if (first > last) return;
#define NEXT_TAP_Y stride_y
#define NEXT_TAP_X stride_x
#define NEXT_Y -1
#define NEXT_X -1
#else
  const int begin_y = 0, begin_x = 0, columns = out_x, rows = out_y, last = pixels - 1;
#define NEXT_TAP_Y 1
#define NEXT_TAP_X 1
#define NEXT_Y dilation_y
#define NEXT_X dilation_x
#endif
  int image[TM], top[TM], left[TM];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
    const int m = min(first + i, last), row = m / columns, n = row / rows;
    const int pixel_x = m - row * columns, pixel_y = row - n * rows;
    image[i] = n * in_y * in_x;
#ifdef TRANSPOSED
    target[i] = (n * out_y + pixel_y * stride_y + phase_y) * out_x + pixel_x * stride_x + phase_x;
    top[i] = pixel_y + (phase_y + before_y - begin_y) / stride_y;
    left[i] = pixel_x + (phase_x + before_x - begin_x) / stride_x;
#else
    target[i] = first + i;
    top[i] = pixel_y * stride_y - before_y;
    left[i] = pixel_x * stride_x - before_x;
#endif
  }
#endif

  SUMS sums[TM];
#pragma unroll
  for (int i = 0; i < TM; ++i) sums[i] = (SUMS)(0);
#ifdef FLUSH
  TOTALS totals[TM];
#pragma unroll
  for (int i = 0; i < TM; ++i) totals[i] = (TOTALS)(0);
  int room = flush;
#endif
#ifdef WINDOW_SUMS
  uint window[TM];
#pragma unroll
  for (int i = 0; i < TM; ++i) window[i] = 0;
#endif

#ifndef POINTWISE
  for (int tap_y = begin_y, dy = 0; tap_y < kernel_y; tap_y += NEXT_TAP_Y, dy += NEXT_Y)
    for (int tap_x = begin_x, dx = 0; tap_x < kernel_x; tap_x += NEXT_TAP_X, dx += NEXT_X) {
      int w = first_weight + (tap_y * kernel_x + tap_x) * steps * padded;
      __global const TYPE_x *from[TM];
#pragma unroll
      for (int i = 0; i < TM; ++i) {
        const int y_ = top[i] + dy, x_ = left[i] + dx;
#ifndef INSIDE
        if (y_ < 0 || y_ >= in_y || x_ < 0 || x_ >= in_x)
          from[i] = POINTER(border);
        else
#endif
          from[i] = POINTER(x) + (image[i] + y_ * in_x + x_) * channels_in + first_depth;
      }
#endif

#ifdef FLUSH
      for (int c0 = 0; c0 < depth; c0 += chunk) {
        const int c1 = min(c0 + chunk, depth);
        if (room < c1 - c0) {
#pragma unroll
          for (int i = 0; i < TM; ++i) {
            totals[i] += TO_TOTAL(sums[i]);
            sums[i] = (SUMS)(0);
          }
          room = flush;
        }
        room -= c1 - c0;
#else
      {
        const int c0 = 0, c1 = depth;
#endif
        for (int c = c0; c < STEPS_END; c += 4) {
#ifdef PACKED
          const SUMS w0 = WEIGHTS(w);
          w += padded;
#else
          const SUMS w0 = WEIGHTS(w), w1 = WEIGHTS(w + padded), w2 = WEIGHTS(w + 2 * padded),
                     w3 = WEIGHTS(w + 3 * padded);
          w += 4 * padded;
#endif
#pragma unroll
          for (int i = 0; i < TM; ++i) {
#ifdef PACKED
            const uint a = X4(from[i] + c);
            sums[i] = DOTS(a, w0, sums[i]);
#ifdef WINDOW_SUMS
            window[i] = DOT(a, 0x01010101u, window[i]);
#endif
#else
            const JOIN(ELEMENT, 4) a = X4(from[i] + c);
            sums[i] = MULTIPLY_ADD((SUMS)(a.s0), w0, sums[i]);
            sums[i] = MULTIPLY_ADD((SUMS)(a.s1), w1, sums[i]);
            sums[i] = MULTIPLY_ADD((SUMS)(a.s2), w2, sums[i]);
            sums[i] = MULTIPLY_ADD((SUMS)(a.s3), w3, sums[i]);
#endif
          }
        }
#ifndef DEPTH4
#ifdef PACKED
        if (c1 & 3) {
          const SUMS w0 = WEIGHTS(w);
          w += padded;
#pragma unroll
          for (int i = 0; i < TM; ++i) {
            const uint a = X_REST(from[i] + (c1 & ~3), c1 & 3);
            sums[i] = DOTS(a, w0, sums[i]);
#ifdef WINDOW_SUMS
            window[i] = DOT(a, 0x01010101u, window[i]);
#endif
          }
        }
#else
        for (int c = c1 & ~3; c < c1; ++c) {
          const SUMS w0 = WEIGHTS(w);
          w += padded;
#pragma unroll
          for (int i = 0; i < TM; ++i) sums[i] = MULTIPLY_ADD((SUMS)(X(from[i] + c)), w0, sums[i]);
        }
#endif
#endif
      }
#ifndef POINTWISE
    }
#endif

#ifdef ROLLED
#pragma nounroll
#else
#pragma unroll
#endif
  for (int i = 0; i < TM; ++i) {
#ifdef POINTWISE
    if (first + i >= pixels) continue;
#else
    if (first + i > last) continue;
#endif
    TOTAL_TYPE row[TN];
#ifdef FLUSH
    JOIN(vstore, TN)(totals[i] + TO_TOTAL(sums[i]), 0, row);
#else
    JOIN(vstore, TN)(TO_TOTAL(sums[i]), 0, row);
#endif
    const int pixel = target[i], start = pixel * channels_out + first_channel + column;
#ifdef ROLLED
#pragma nounroll
#else
#pragma unroll
#endif
    for (int j = 0; j < TN; ++j) {
      const int c = first_channel + column + j;
      if (column + j >= channels_of_group) continue;
#ifdef WINDOW_SUMS
      const TOTAL_TYPE total = row[j] - (uint)weights_zero * window[i];
#else
      const TOTAL_TYPE total = row[j];
#endif
#ifdef TRANSPOSED
      EPILOGUE(start + j, FINISH(BIASED(total, phase * channels_out + c), c));
#else
      EPILOGUE(start + j, FINISH(BIASED(total, c), c));
#endif
    }
  }
}

#undef SUMS
#undef TOTALS
#undef STEPS_END
#undef NEXT_TAP_Y
#undef NEXT_TAP_X
#undef NEXT_Y
#undef NEXT_X
