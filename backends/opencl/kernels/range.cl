// What the rows of an array are quantized with, as native/src/kernels/dynamic_range.h does: a group takes one row.
// scale: of a quantized step. inverse: what a number is multiplied with. zero: the zero point, 0 without ASYMMETRIC.
#ifdef cl_khr_fp64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#define REAL double
#else
#define REAL float
#endif

__kernel void NAME(PARAMETERS) {
  __local float lows[LANES], highs[LANES];
  // Nobody returns before a barrier, not even whole groups: PoCL then mixes up their items.
  const int lane = get_local_id(0), lanes = get_local_size(0), row = min((int)get_group_id(0), rows - 1);
  float lowest = 0.0f, highest = 0.0f;
  for (int i = lane; i < count; i += lanes) {
    const float v = LOAD(x, row * count + i);
#ifdef ASYMMETRIC
    lowest = fmin(lowest, v);
    highest = fmax(highest, v);
#else
    highest = fmax(highest, fabs(v));
#endif
  }
  lows[lane] = lowest;
  highs[lane] = highest;
  for (int half_way = lanes / 2; half_way > 0; half_way /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane < half_way) {
      lows[lane] = fmin(lows[lane], lows[lane + half_way]);
      highs[lane] = fmax(highs[lane], highs[lane + half_way]);
    }
  }
  if (lane != 0 || (int)get_group_id(0) != row) return;
  lowest = lows[0];
  highest = highs[0];
  if (lowest == highest) {
    STORE(scale, row, 1.0f);
    STORE(inverse, row, 0.0f);
    STORE(zero, row, 0);
    return;
  }
#ifdef ASYMMETRIC
  const REAL step = (REAL)(highest - lowest) / 255;
  const REAL from_low = -128 - lowest / step, from_high = 127 - highest / step;
  // The end of the range that is nearer to zero gives the smaller error.
  const REAL at = 128 + fabs(lowest / step) < 127 + fabs(highest / step) ? from_low : from_high;
  STORE(scale, row, (float)step);
  STORE(inverse, row, 1 / (float)step);
  STORE(zero, row, (int)clamp(round(at), (REAL)-128, (REAL)127));
#else
  STORE(scale, row, highest / 127);
  STORE(inverse, row, 127 / highest);
  STORE(zero, row, 0);
#endif
}

#undef REAL
