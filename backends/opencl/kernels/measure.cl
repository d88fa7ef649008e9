// What a device can do at most: multiply-adds without memory, and memory without arithmetic.
#ifndef MAC
#define MAC(a, b, c) mad(a, b, c)
#endif

// 8 independent chains of 4: more than the latency of any multiply-adder here.
#define CHAINS 8

__kernel void float_macs(__global float4 *out, int rounds, float seed) {
  float4 sum[CHAINS];
  const float4 a = (float4)(seed, 1.0f - seed, seed * 0.5f, 0.25f);
  for (int i = 0; i < CHAINS; i++) sum[i] = (float4)((float)i);
  for (int r = 0; r < rounds; r++) {
#pragma unroll
    for (int i = 0; i < CHAINS; i++) sum[i] = MAC(sum[i], a, a);
  }
  float4 total = sum[0];
  for (int i = 1; i < CHAINS; i++) total += sum[i];
  out[get_global_id(0)] = total;
}

__kernel void int_macs(__global int4 *out, int rounds, int seed) {
  int4 sum[CHAINS];
  const int4 a = (int4)(seed, seed + 1, seed + 2, seed + 3);
  for (int i = 0; i < CHAINS; i++) sum[i] = (int4)(i);
  for (int r = 0; r < rounds; r++) {
#pragma unroll
    for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * a + a;
  }
  int4 total = sum[0];
  for (int i = 1; i < CHAINS; i++) total += sum[i];
  out[get_global_id(0)] = total;
}

__kernel void copy(__global const float4 *from, __global float4 *to) {
  const int i = get_global_id(0);
  to[i] = from[i];
}

__kernel void nothing(__global int *out) {
  if (get_global_id(0) == 0) out[0] = 1;
}
