// What mma_ptx.cl does, in plain integers through local memory: for tests of everything around it on any device.
#define MMA_MEMORY __local uint mma_a[16 * 8], mma_b[8 * 8];
#define MMA(sum, a, b) \
  do { \
    barrier(CLK_LOCAL_MEM_FENCE); \
    mma_a[g * 8 + t] = (a).s0; \
    mma_a[(g + 8) * 8 + t] = (a).s1; \
    mma_a[g * 8 + 4 + t] = (a).s2; \
    mma_a[(g + 8) * 8 + 4 + t] = (a).s3; \
    mma_b[g * 8 + t] = (b).s0; \
    mma_b[g * 8 + 4 + t] = (b).s1; \
    barrier(CLK_LOCAL_MEM_FENCE); \
    for (int word = 0; word < 8; ++word) { \
      (sum).s0 += MMA_DOT(mma_a[g * 8 + word], mma_b[2 * t * 8 + word]); \
      (sum).s1 += MMA_DOT(mma_a[g * 8 + word], mma_b[(2 * t + 1) * 8 + word]); \
      (sum).s2 += MMA_DOT(mma_a[(g + 8) * 8 + word], mma_b[2 * t * 8 + word]); \
      (sum).s3 += MMA_DOT(mma_a[(g + 8) * 8 + word], mma_b[(2 * t + 1) * 8 + word]); \
    } \
  } while (0)
#define MMA_DOT(a, b) JOIN(NAME, _dot)(as_char4(a), as_char4(b))
static inline uint JOIN(NAME, _dot)(char4 a, char4 b) {
  const int4 products = convert_int4(a) * convert_int4(b);
  return (uint)(products.s0 + products.s1 + products.s2 + products.s3);
}
