// The arithmetic that exact integers rest on, element by element; the texts of source.COMMON stand before this.
__kernel void try_rescale(__global const int *x, __global const int *multiplier, __global const int *shift,
                          __global int *out) {
  const int i = get_global_id(0);
  out[i] = rescale(x[i], multiplier[i], shift[i]);
}

__kernel void try_shift(__global const int *x, __global const int *shift, __global int *out) {
  const int i = get_global_id(0);
  out[i] = rounding_shift(x[i], shift[i]);
}

__kernel void try_quantize(__global const float *x, __global const float *least, __global int *out) {
  const int i = get_global_id(0);
  out[i] = quantized(x[i], least, 16.0f, 0, -128, 127);
}

__kernel void try_lookup(__global const char *x, __global const char *table, __global int *out) {
  const int i = get_global_id(0);
  out[i] = table[(uchar)x[i]];
}
