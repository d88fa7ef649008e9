// What inner loops share that multiply four signed bytes at a time: DOT(a, w, sum) comes from the loop's own text.
// uint8 activations become signed by flipping their highest bits: SIGNS is 0x80808080 for them, else 0.
#undef ELEMENT
#undef TO_TOTAL
#undef WEIGHTS
#undef X4
#undef X_REST
#undef DOTS
#define ELEMENT uint
#define TO_TOTAL(sum) (sum)
#define WEIGHTS(at) JOIN(vload, TN)(0, POINTER(weights) + (at))
#ifdef DEPTH4
#define X4(p) (*(__global const uint *)(p) ^ SIGNS)
#else
#define X4(p) (as_uint(vload4(0, p)) ^ SIGNS)
#endif
// The first `count` of four, 1 to 3; the others are 0.
#define X_REST(p, count) \
  (((uchar)(p)[0] | ((count) > 1 ? (uint)(uchar)(p)[1] << 8 : 0u) | ((count) > 2 ? (uint)(uchar)(p)[2] << 16 : 0u)) ^ \
   (SIGNS & (0xffffffffu >> (32 - 8 * (count)))))

#undef DOTS_4
#undef DOTS_8
#undef DOTS_16
#define DOTS_4(a, w, sum) \
  (uint4)(DOT(a, (w).s0, (sum).s0), DOT(a, (w).s1, (sum).s1), DOT(a, (w).s2, (sum).s2), DOT(a, (w).s3, (sum).s3))
#define DOTS_8(a, w, sum) (uint8)(DOTS_4(a, (w).lo, (sum).lo), DOTS_4(a, (w).hi, (sum).hi))
#define DOTS_16(a, w, sum) (uint16)(DOTS_8(a, (w).lo, (sum).lo), DOTS_8(a, (w).hi, (sum).hi))
#define DOTS(a, w, sum) JOIN(DOTS_, TN)(a, w, sum)
