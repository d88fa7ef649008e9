// Products of tiles by tensor cores: PTX ISA, "mma.m16n8k32" of signed bytes, compute capability 8.0 and later.
// Lane 4 * g + t of a warp holds of a: rows g and g + 8, bytes 4t and 16 + 4t; of b: column g, the same bytes; of the
// sum: rows g and g + 8, columns 2t and 2t + 1.
#define MMA_MEMORY
#define MMA(sum, a, b) sum = JOIN(NAME, _mma)(sum, a, b)
static inline uint4 JOIN(NAME, _mma)(uint4 sum, uint4 a, uint2 b) {
  uint4 made;
  __asm__("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
          "{%10, %11, %12, %13};"
          : "=r"(made.s0), "=r"(made.s1), "=r"(made.s2), "=r"(made.s3)
          : "r"(a.s0), "r"(a.s1), "r"(a.s2), "r"(a.s3), "r"(b.s0), "r"(b.s1), "r"(sum.s0), "r"(sum.s1), "r"(sum.s2),
            "r"(sum.s3));
  return made;
}
