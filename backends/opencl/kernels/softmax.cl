// SOFTMAX: a work-group takes a row. FLOAT, EIGHT (bits): what the elements are, else int16. SUM: the sum's type.
// GROUP: the most items that share a row, a power of two; there may be fewer, then also a power of two.
#if FLOAT
#define ELEMENT float
#define EXPONENTIAL(v) exp(((v) - most) * beta)
#define SHARE(e) (e)
#elif EIGHT
#define ELEMENT int
#define EXPONENTIAL(v) LOAD(exponentials, most - (v))
#define SHARE(e) (SUM) rounding_shift(e, 12)
#else
#define ELEMENT int
#define EXPONENTIAL(v) \
  interpolate(POINTER(exponentials), clamp(rescale((v) - most, multiplier, shift) + 32767, -32768, 32767))
#define SHARE(e) (SUM)(e)
#endif
__kernel void NAME(PARAMETERS) {
  __local ELEMENT maxima[GROUP];
  __local SUM sums[GROUP];
  // Nobody returns before a barrier, not even whole groups: PoCL then mixes up their items.
  const int lane = get_local_id(0), lanes = get_local_size(0);
  const int first = get_global_id(1) * depth, last = first + depth;
  // Several groups of a row all know its sum, and share out its results.
  const int step = get_global_size(0);

  ELEMENT most = LOAD(x, first);
  for (int i = first + lane; i < last; i += lanes) most = max(most, LOAD(x, i));
  maxima[lane] = most;
  for (int half_lanes = lanes / 2; half_lanes > 0; half_lanes /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane < half_lanes) maxima[lane] = max(maxima[lane], maxima[lane + half_lanes]);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  most = maxima[0];

  SUM sum = 0;
  for (int i = first + lane; i < last; i += lanes) sum += SHARE(EXPONENTIAL(LOAD(x, i)));
  sums[lane] = sum;
  for (int half_lanes = lanes / 2; half_lanes > 0; half_lanes /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane < half_lanes) sums[lane] += sums[lane + half_lanes];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  sum = sums[0];

#if FLOAT
  for (int i = first + get_global_id(0); i < last; i += step) EPILOGUE(i, EXPONENTIAL(LOAD(x, i)) / sum);
#elif EIGHT
  const int zeros = (int)clz((ulong)sum) - 32;
  const uint one_to_two = zeros >= 0 ? (uint)((ulong)sum << zeros) : (uint)((ulong)sum >> -zeros);
  const int scale = one_over_one_plus((int)(one_to_two - 0x80000000u));
  const int exponent = 12 - zeros + 31 - 8;
  for (int i = first + get_global_id(0); i < last; i += step) {
    const int share = doubling_high_product(scale, EXPONENTIAL(LOAD(x, i)));
    // Beyond 31 bits every share is under half a step.
    EPILOGUE(i, exponent > 31 ? low : min(rounding_shift(share, min(exponent, 31)) + low, high));
  }
#else
  sum = clamp(sum, 1u, 0x7fffffffu);
  const int zeros = (int)clz(sum);
  const int over_one = (int)(((sum << (zeros - 1)) + (1u << 13)) >> 14) - (1 << 15) - (1 << 16);
  const int scale = interpolate(POINTER(reciprocals), clamp(over_one, -32768, 32767));
  const int right = 31 - zeros;
  for (int i = first + get_global_id(0); i < last; i += step) {
    const int share = (EXPONENTIAL(LOAD(x, i)) * scale + ((1 << right) >> 1)) >> right;
    EPILOGUE(i, clamp(share, 0, 32767));
  }
#endif
}
#undef ELEMENT
#undef EXPONENTIAL
#undef SHARE
