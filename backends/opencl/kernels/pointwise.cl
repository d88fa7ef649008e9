// Elementwise ops that could not be fused into what makes their input: one element an item. AT: where the element of x
// for output element i lies.
__kernel void NAME(PARAMETERS) {
  const int i = get_global_id(0);
  if (i >= count) return;
  EPILOGUE(i, LOAD(x, AT));
}
