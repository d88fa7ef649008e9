// One element of the elementwise ops, with the CPU's bits for integers (native/src/kernels/arithmetic_math.h).

static inline int wrapping_add(int a, int b) { return as_int(as_uint(a) + as_uint(b)); }
static inline int wrapping_subtract(int a, int b) { return as_int(as_uint(a) - as_uint(b)); }
static inline int wrapping_multiply(int a, int b) { return as_int(as_uint(a) * as_uint(b)); }
static inline int within(int x, int low, int high) { return min(max(x, low), high); }

// Written so that NaN stays NaN.
static inline float within_real(float x, float low, float high) {
  const float above = x < low ? low : x;
  return high < above ? high : above;
}

// A quantized number on a scale that it shares with another, with `left` more bits.
static inline int on_common_scale(int x, int zero, int left, int multiplier, int shift) {
  return rescale((x - zero) * (1 << left), multiplier, shift);
}

// On the output's scale, clamped.
static inline int requantized(int x, int multiplier, int shift, int zero, int low, int high) {
  return within(wrapping_add(rescale(x, multiplier, shift), zero), low, high);
}

// The same, where the sum saturates.
static inline int requantized_saturated(int x, int multiplier, int shift, int zero, int low, int high) {
  return within(add_sat(rescale(x, multiplier, shift), zero), low, high);
}

// The number of the CPU's QUANTIZE: x * inverse + zero is next to it whatever the rounding, and `least` says which.
static inline int quantized(float x, __global const float *least, float inverse, int zero, int low, int high) {
  float near = x * inverse + (float)zero;
  near = near > (float)low ? near : (float)low;  // also NaN
  const int k = (int)rint(near < (float)high ? near : (float)high) - low;
  const int moved = x < least[k] ? k - 1 : (x >= least[k + 1] ? k + 1 : k);
  return low + min(moved, high - low);
}

// Towards zero, saturated; NaN becomes the largest. `beyond` is the maximum plus one.
static inline int truncated(float x, float low, float beyond, int least, int most) {
  if (!(x < beyond)) return most;
  return x > low ? (int)x : least;
}

// Towards zero for every divisor but 0; -2^31 / -1 wraps around.
static inline int wrapping_divide(int a, int b) { return b == -1 ? wrapping_subtract(0, a) : a / b; }

static inline int floor_divide(int a, int b) {
  const int quotient = wrapping_divide(a, b);
  return quotient - (b != -1 && a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

// With the sign of b.
static inline int floor_remainder(int a, int b) {
  const int remainder = b == -1 ? 0 : a % b;
  return remainder != 0 && (b < 0) != (remainder < 0) ? remainder + b : remainder;
}

static inline float logistic(float x) {
  if (x > 16.619047164916992188f) return 1.0f;
  return x < -9.0f ? exp(x) : 1.0f / (1.0f + exp(-x));
}
