// ARG_MAX and ARG_MIN: the first element that no other beats; one output element an item. A NaN loses to any number.
// BEATS(a, b): whether a is better. ELEMENT: float or int.
__kernel void NAME(PARAMETERS) {
  const int i = get_global_id(0);
  if (i >= outputs) return;
  const int from = i / inner * size * inner + i % inner;
  ELEMENT best = LOAD(x, from);
  int where = 0;
  for (int k = 1; k < size; ++k) {
    const ELEMENT v = LOAD(x, from + k * inner);
    if (BEATS(v, best)) {
      best = v;
      where = k;
    }
  }
  EPILOGUE(i, where);
}
