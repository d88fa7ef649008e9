// Each output element from where it lies in the input: slices, transposes, tiles, reversals.
// RANK: axes, 1 to 8. size0, stride0: of the innermost.
#define AXIS(k)                 \
  from += rest % size##k * stride##k; \
  rest /= size##k;
__kernel void NAME(PARAMETERS) {
  const int i = get_global_id(0);
  if (i >= count) return;
  int rest = i, from = base;
  AXIS(0)
#if RANK > 1
  AXIS(1)
#endif
#if RANK > 2
  AXIS(2)
#endif
#if RANK > 3
  AXIS(3)
#endif
#if RANK > 4
  AXIS(4)
#endif
#if RANK > 5
  AXIS(5)
#endif
#if RANK > 6
  AXIS(6)
#endif
#if RANK > 7
  AXIS(7)
#endif
  EPILOGUE(i, LOAD(x, from));
}
#undef AXIS
