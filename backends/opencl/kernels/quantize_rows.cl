// Numbers as steps from their row's zero point, within what a signed byte holds.
__kernel void NAME(PARAMETERS) {
  const int i = get_global_id(0);
  if (i >= count) return;
  const int row = i / width, middle = LOAD(zero, row);
  const float bounded = fmin(1000.0f, fmax(-1000.0f, LOAD(x, i) * LOAD(inverse, row)));
  const int nearest = (int)(bounded + (bounded < 0 ? -0.5f : 0.5f));
  EPILOGUE(i, clamp(nearest + middle, LEAST, 127) - middle);
}
