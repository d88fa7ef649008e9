// Inner loop of four bytes at a time: NVIDIA's dp4a instruction (PTX ISA, "dp4a"; compute capability 6.1 and later).
#undef DOT
#define DOT(a, w, sum) JOIN(NAME, _dot)(a, w, sum)
static inline uint DOT(uint a, uint w, uint sum) {
  uint made;
  __asm__("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(made) : "r"(a), "r"(w), "r"(sum));
  return made;
}
