// What every kernel may use: how elements are stored, and TFLite's fixed-point arithmetic in 32 bits.
// A multiply-add is fused only where a kernel says MAC: what quantizes must round as the CPU does.
#pragma OPENCL FP_CONTRACT OFF

#ifndef MAC
#define MAC(a, b, c) mad(a, b, c)
#endif

// TYPE_x is the element type of the array argument x: LOAD(x, i) becomes LOAD_char(x_memory + x_at, i).
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define POINTER(x) (x##_memory + x##_at)
#define LOAD(x, i) JOIN(LOAD_, TYPE_##x)(POINTER(x), i)
#define LOAD4(x, i) JOIN(LOAD4_, TYPE_##x)(POINTER(x), i)
#define STORE(x, i, v) JOIN(STORE_, TYPE_##x)(POINTER(x), i, v)
#define STORE4(x, i, v) JOIN(STORE4_, TYPE_##x)(POINTER(x), i, v)

// Saturated: the infinity that a larger number would become makes NaN of what follows. NaN stays NaN.
#define LARGEST_HALF 65504.0f
static inline float within_half(float x) {
  const float above = x < -LARGEST_HALF ? -LARGEST_HALF : x;
  return above > LARGEST_HALF ? LARGEST_HALF : above;
}
static inline float4 within_half4(float4 x) {
  return (float4)(within_half(x.x), within_half(x.y), within_half(x.z), within_half(x.w));
}

// What a kernel's AXIS(k) does for each axis, from the innermost: JOIN(AXES_, RANK).
#define AXES_1 AXIS(0)
#define AXES_2 AXES_1 AXIS(1)
#define AXES_3 AXES_2 AXIS(2)
#define AXES_4 AXES_3 AXIS(3)
#define AXES_5 AXES_4 AXIS(4)
#define AXES_6 AXES_5 AXIS(5)
#define AXES_7 AXES_6 AXIS(6)
#define AXES_8 AXES_7 AXIS(7)

#define LOAD_float(p, i) ((p)[i])
#define LOAD_half(p, i) vload_half(i, p)
#define LOAD_char(p, i) ((int)(p)[i])
#define LOAD_uchar(p, i) ((int)(p)[i])
#define LOAD_short(p, i) ((int)(p)[i])
#define LOAD_ushort(p, i) ((int)(p)[i])
#define LOAD_int(p, i) ((p)[i])
#define LOAD_uint(p, i) ((p)[i])

#define LOAD4_float(p, i) vload4(0, (p) + (i))
#define LOAD4_half(p, i) vload_half4(0, (p) + (i))
#define LOAD4_char(p, i) convert_int4(vload4(0, (p) + (i)))
#define LOAD4_uchar(p, i) convert_int4(vload4(0, (p) + (i)))
#define LOAD4_short(p, i) convert_int4(vload4(0, (p) + (i)))
#define LOAD4_ushort(p, i) convert_int4(vload4(0, (p) + (i)))
#define LOAD4_int(p, i) vload4(0, (p) + (i))
#define LOAD4_uint(p, i) vload4(0, (p) + (i))

#define STORE_float(p, i, v) ((p)[i] = (v))
#define STORE_half(p, i, v) vstore_half(within_half(v), i, p)
#define STORE_char(p, i, v) ((p)[i] = (char)(v))
#define STORE_uchar(p, i, v) ((p)[i] = (uchar)(v))
#define STORE_short(p, i, v) ((p)[i] = (short)(v))
#define STORE_ushort(p, i, v) ((p)[i] = (ushort)(v))
#define STORE_int(p, i, v) ((p)[i] = (v))
#define STORE_uint(p, i, v) ((p)[i] = (v))

#define STORE4_float(p, i, v) vstore4(v, 0, (p) + (i))
#define STORE4_half(p, i, v) vstore_half4(within_half4(v), 0, (p) + (i))
#define STORE4_char(p, i, v) vstore4(convert_char4(v), 0, (p) + (i))
#define STORE4_uchar(p, i, v) vstore4(convert_uchar4(v), 0, (p) + (i))
#define STORE4_short(p, i, v) vstore4(convert_short4(v), 0, (p) + (i))
#define STORE4_ushort(p, i, v) vstore4(convert_ushort4(v), 0, (p) + (i))
#define STORE4_int(p, i, v) vstore4(v, 0, (p) + (i))
#define STORE4_uint(p, i, v) vstore4(v, 0, (p) + (i))

// (a * b + 2^30) >> 31 for the 64-bit product, saturated: gemmlowp's SaturatingRoundingDoublingHighMul without long.
static inline int doubling_high_product(int a, int b) {
  if (a == b && a == INT_MIN) return INT_MAX;
  const uint low = (uint)a * (uint)b;
  return (int)((uint)mul_hi(a, b) * 2u + (low >> 31) + ((low >> 30) & 1u));
}

// x / 2^exponent, halves rounded away from zero (gemmlowp's RoundingDivideByPOT); exponent 0 to 31.
static inline int rounding_shift(int x, int exponent) {
  const uint mask = (1u << exponent) - 1u;
  const uint rest = (uint)x & mask;
  const uint threshold = (mask >> 1) + (x < 0 ? 1u : 0u);
  return (x >> exponent) + (rest > threshold ? 1 : 0);
}

// x * multiplier * 2^(shift - 31): TFLite's MultiplyByQuantizedMultiplier with its two roundings.
static inline int rescale(int x, int multiplier, int shift) {
  const int left = max(shift, 0), right = max(-shift, 0);
  return rounding_shift(doubling_high_product((int)((uint)x << left), multiplier), right);
}

// x * 2^exponent, saturated.
static inline int saturating_shift_left(int x, int exponent) {
  if (x > (INT_MAX >> exponent)) return INT_MAX;
  if (x < (INT_MIN >> exponent)) return INT_MIN;
  return (int)((uint)x << exponent);
}

// 1 / (1 + a) for a in [0, 1), both in units of 2^-31: Newton's division as gemmlowp rounds it.
static inline int one_over_one_plus(int a) {
  const int half_denominator = (int)(((uint)a + 0x80000000u) >> 1);
  int x = 1515870810 + doubling_high_product(half_denominator, -1010580540);  // 48/17 - 32/17 d, in units of 2^-29
  for (int n = 0; n < 3; ++n) {
    const int error = (1 << 29) - doubling_high_product(half_denominator, x);
    x += saturating_shift_left(doubling_high_product(x, error), 2);
  }
  return saturating_shift_left(x, 1);
}

// A function of int16 by linear interpolation between 513 values.
static inline int interpolate(__global const short *table, int x) {
  const int at = 256 + (x >> 7);
  const int slope = (short)(table[at + 1] - table[at]);
  return (short)(table[at] + ((slope * (x & 127) + 64) >> 7));
}

// NaN stays NaN.
static inline float clamped(float v, float low, float high) {
  v = v < low ? low : v;
  return v > high ? high : v;
}
