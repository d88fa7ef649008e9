// The arithmetic that exact integers rest on, element by element; kernels/common.cl stands before this.
__kernel void rescaled(__global const int *x, __global const int *multiplier, __global const int *shift,
                       __global int *out) {
  const int i = get_global_id(0);
  out[i] = rescale(x[i], multiplier[i], shift[i]);
}

__kernel void shifted(__global const int *x, __global const int *shift, __global int *out) {
  const int i = get_global_id(0);
  out[i] = rounding_shift(x[i], shift[i]);
}

// One row and one column of bytes each: their product by 32-bit integers.
__kernel void products_int(__global const char *a, __global const char *b, __global int *out, int length) {
  const int i = get_global_id(0);
  int sum = 0;
  for (int k = 0; k < length; k++) sum += (int)a[i * length + k] * (int)b[i * length + k];
  out[i] = sum;
}

// The same by float multiply-adds, which are exact while the sum stays under 2^24.
__kernel void products_f32(__global const char *a, __global const char *b, __global int *out, int length) {
  const int i = get_global_id(0);
  int sum = 0;
  for (int begin = 0; begin < length; begin += 1024) {
    const int end = min(begin + 1024, length);
    float part = 0.0f;
    for (int k = begin; k < end; k++) part = MAC((float)a[i * length + k], (float)b[i * length + k], part);
    sum += convert_int(part);
  }
  out[i] = sum;
}

// Halves to even, as quantizing needs it, and a division that is rounded once.
__kernel void quantized(__global const float *x, __global const float *scale, __global int *out) {
  const int i = get_global_id(0);
  out[i] = convert_int_sat(rint(x[i] / scale[i]));
}
