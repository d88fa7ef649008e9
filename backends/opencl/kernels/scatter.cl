// Each input element to where it lies in the output: the parts of a concatenation.
// RANK: axes, 1 to 8. size0, stride0: of the innermost.
// CHANGE(v): what becomes of an element on the way.
#define AXIS(k)                 \
  to += rest % size##k * stride##k; \
  rest /= size##k;
__kernel void NAME(PARAMETERS) {
  const int i = get_global_id(0);
  if (i >= count) return;
  int rest = i, to = base;
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
  STORE(y, to, CHANGE(LOAD(x, i)));
}
#undef AXIS
