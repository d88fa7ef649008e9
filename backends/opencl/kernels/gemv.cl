// Few rows of activations times the rows of a matrix: a group makes UNITS sums together, each item adds its share.
// weights: [unit][depth padded to fours]. DEPTH4: the activations' rows are as long. LANES: items of a group at most.

#define SUMS JOIN(ELEMENT, 4)

#ifndef PACKED
#define REST4(p, count) (SUMS)(X(p), (count) > 1 ? X((p) + 1) : 0, (count) > 2 ? X((p) + 2) : 0, 0)
#endif

__kernel void NAME(PARAMETERS) {
  __local TOTAL_TYPE shares[UNITS * LANES];
  // Nobody returns before a barrier, not even whole groups: PoCL then mixes up their items.
  const int lane = get_local_id(0), lanes = get_local_size(0);
  const int unit = get_group_id(0) * UNITS, row = get_group_id(1);

#ifdef PACKED
  uint sums[UNITS];
#else
  SUMS sums[UNITS];
#endif
#pragma unroll
  for (int u = 0; u < UNITS; ++u) sums[u] = 0;
#ifdef WINDOW_SUMS
  uint window = 0;
#endif
  __global const TYPE_x *from = POINTER(x) + row * depth;
  for (int step = lane; step < steps; step += lanes) {
    const int k = step * 4;
#ifdef PACKED
#ifdef DEPTH4
    const uint a = X4(from + k);
#else
    const int count = depth - k;
    const uint a = count >= 4 ? X4(from + k) : X_REST(from + k, count);
#endif
#pragma unroll
    for (int u = 0; u < UNITS; ++u)
      sums[u] = DOT(a, LOAD(weights, min(unit + u, units - 1) * steps + step), sums[u]);
#ifdef WINDOW_SUMS
    window = DOT(a, 0x01010101u, window);
#endif
#else
#ifdef DEPTH4
    const SUMS a = X4(from + k);
#else
    const int count = depth - k;
    const SUMS a = count >= 4 ? X4(from + k) : REST4(from + k, count);
#endif
#pragma unroll
    for (int u = 0; u < UNITS; ++u)
      sums[u] = MULTIPLY_ADD(a, WEIGHTS((min(unit + u, units - 1) * steps + step) * 4), sums[u]);
#endif
  }

#pragma unroll
  for (int u = 0; u < UNITS; ++u) {
#ifdef PACKED
    shares[u * LANES + lane] = sums[u];
#ifdef WINDOW_SUMS
    shares[u * LANES + lane] -= (uint)weights_zero * window;
#endif
#else
    const JOIN(TOTAL_TYPE, 4) four = TO_TOTAL(sums[u]);
    shares[u * LANES + lane] = four.s0 + four.s1 + four.s2 + four.s3;
#endif
  }
  for (int half_way = lanes / 2; half_way > 0; half_way /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane < half_way)
      for (int u = 0; u < UNITS; ++u) shares[u * LANES + lane] += shares[u * LANES + lane + half_way];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int u = lane; u < UNITS && unit + u < units; u += lanes) {
    const int c = unit + u, pixel = row;
    EPILOGUE(pixel * units + c, FINISH(BIASED(shares[u * LANES], c), c));
  }
}

#undef SUMS
#undef REST4
