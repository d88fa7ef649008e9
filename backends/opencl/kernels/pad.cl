// Each output element from the input, or `value` where there is none.
// RANK: axes, 1 to 8. size0 ...: of the output's innermost axis; within0: the input's size, before0: what is added.
#define AXIS(k)                              \
  at = rest % size##k - before##k;           \
  inside = inside && at >= 0 && at < within##k; \
  from += at * stride##k;                    \
  rest /= size##k;
__kernel void NAME(PARAMETERS) {
  const int i = get_global_id(0);
  if (i >= count) return;
  int rest = i, from = 0, at;
  bool inside = true;
  JOIN(AXES_, RANK)
  EPILOGUE(i, inside ? LOAD(x, from) : value);
}
#undef AXIS
