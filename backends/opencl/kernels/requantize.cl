// From wide sums to quantized outputs, with the CPU's bits.

// x * multiplier * 2^(shift - 31) for sums of 64 bits: 16 bits of the multiplier, rounded once. -31 <= shift <= 14.
static inline int rescale_wide(long x, int multiplier, int shift) {
  const int reduced = multiplier < 0x7fff0000 ? (multiplier + (1 << 15)) >> 16 : 0x7fff;
  const int total = 15 - shift;
  return (int)((long)((ulong)x * (ulong)(long)reduced + (1ul << (total - 1))) >> total);
}

// The 53 highest bits of high * 2^64 + low, rounded to nearest, ties to even; *exponent grows by what is cut off.
static inline ulong round_to_double(ulong high, ulong low, int *exponent) {
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
static inline int rescale_real(long x, uint mantissa_high, uint mantissa_low, int exponent, int zero, int low, int high) {
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
