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
  JOIN(AXES_, RANK)
  STORE(y, to, CHANGE(LOAD(x, i)));
}
#undef AXIS
