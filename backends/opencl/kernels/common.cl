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
#define STORE_half(p, i, v) vstore_half(v, i, p)
#define STORE_char(p, i, v) ((p)[i] = (char)(v))
#define STORE_uchar(p, i, v) ((p)[i] = (uchar)(v))
#define STORE_short(p, i, v) ((p)[i] = (short)(v))
#define STORE_ushort(p, i, v) ((p)[i] = (ushort)(v))
#define STORE_int(p, i, v) ((p)[i] = (v))
#define STORE_uint(p, i, v) ((p)[i] = (v))

#define STORE4_float(p, i, v) vstore4(v, 0, (p) + (i))
#define STORE4_half(p, i, v) vstore_half4(v, 0, (p) + (i))
#define STORE4_char(p, i, v) vstore4(convert_char4(v), 0, (p) + (i))
#define STORE4_uchar(p, i, v) vstore4(convert_uchar4(v), 0, (p) + (i))
#define STORE4_short(p, i, v) vstore4(convert_short4(v), 0, (p) + (i))
#define STORE4_ushort(p, i, v) vstore4(convert_ushort4(v), 0, (p) + (i))
#define STORE4_int(p, i, v) vstore4(v, 0, (p) + (i))
#define STORE4_uint(p, i, v) vstore4(v, 0, (p) + (i))

// (a * b + 2^30) >> 31 for the 64-bit product, saturated: gemmlowp's SaturatingRoundingDoublingHighMul without long.
inline int doubling_high_product(int a, int b) {
  if (a == b && a == INT_MIN) return INT_MAX;
  const uint low = (uint)a * (uint)b;
  return (int)((uint)mul_hi(a, b) * 2u + (low >> 31) + ((low >> 30) & 1u));
}

// x / 2^exponent, halves rounded away from zero (gemmlowp's RoundingDivideByPOT); exponent 0 to 31.
inline int rounding_shift(int x, int exponent) {
  const uint mask = (1u << exponent) - 1u;
  const uint rest = (uint)x & mask;
  const uint threshold = (mask >> 1) + (x < 0 ? 1u : 0u);
  return (x >> exponent) + (rest > threshold ? 1 : 0);
}

// x * multiplier * 2^(shift - 31): TFLite's MultiplyByQuantizedMultiplier with its two roundings.
inline int rescale(int x, int multiplier, int shift) {
  const int left = max(shift, 0), right = max(-shift, 0);
  return rounding_shift(doubling_high_product((int)((uint)x << left), multiplier), right);
}

// The same for sums of 64 bits: 16 bits of the multiplier, rounded once. -31 <= shift <= 14.
inline int rescale_wide(long x, int multiplier, int shift) {
  const int reduced = multiplier < 0x7fff0000 ? (multiplier + (1 << 15)) >> 16 : 0x7fff;
  const int total = 15 - shift;
  return (int)((long)((ulong)x * (ulong)(long)reduced + (1ul << (total - 1))) >> total);
}

// The 53 highest bits of high * 2^64 + low, rounded to nearest, ties to even; *exponent grows by what is cut off.
inline ulong round_to_double(ulong high, ulong low, int *exponent) {
  const int bits = high != 0 ? 128 - (int)clz(high) : 64 - (int)clz(low);
  const int cut = bits - 53;
  if (cut <= 0) return low;
  *exponent += cut;
  const ulong kept = cut < 64 ? (high << (64 - cut)) | (low >> cut) : high >> (cut - 64);
  const ulong rest = low & ((1ul << cut) - 1), half_way = 1ul << (cut - 1);
  return kept + (rest > half_way || (rest == half_way && (kept & 1)) ? 1 : 0);
}

// clamp(round(x * scale) + zero, low, high) as in double precision, where both conversion and product are rounded;
// then halves away from zero. scale is mantissa_high * 2^(32 + exponent) + mantissa_low * 2^exponent, of 53 bits.
inline int rescale_real(long x, uint mantissa_high, uint mantissa_low, int exponent, int zero, int low, int high) {
  const ulong mantissa = ((ulong)mantissa_high << 32) | mantissa_low;
  const ulong magnitude = round_to_double(0, x < 0 ? 0ul - (ulong)x : (ulong)x, &exponent);
  const ulong product = round_to_double(mul_hi(magnitude, mantissa), magnitude * mantissa, &exponent);
  long rounded = INT_MAX;  // saturated, as the CPU does before it adds the zero point
  if (product == 0 || exponent < -62)
    rounded = 0;
  else if (exponent < 0)
    rounded = min((long)((product + (1ul << (-exponent - 1))) >> -exponent), (long)INT_MAX);
  return (int)clamp((x < 0 ? -rounded : rounded) + zero, (long)low, (long)high);
}
