// An elementwise op that could not be fused into what makes its input: one element an item.
__kernel void NAME(PARAMETERS) {
  const int i = get_global_id(0);
  if (i >= count) return;
  EPILOGUE(i, LOAD(x, i));
}
