// Each output element from where it lies in the input: slices, transposes, tiles, reversals.
// RANK: axes, 1 to 8. size0, stride0: of the innermost.
#define AXIS(k)                 \
  from += rest % size##k * stride##k; \
  rest /= size##k;
__kernel void NAME(PARAMETERS) {
  const int i = get_global_id(0);
  if (i >= count) return;
  int rest = i, from = base;
  JOIN(AXES_, RANK)
  EPILOGUE(i, LOAD(x, from));
}
#undef AXIS
