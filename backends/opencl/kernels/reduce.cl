// Reductions: GROUP items (a power of two; there may be fewer) share an output element.
// KEPT, REDUCED: axes that stay and that go, 1 to 4 each. KIND: SUM, MAXIMUM, MINIMUM, ANY or ALL. ELEMENT: float or int.
// FIRST: what a maximum or minimum begins with.
#define KEPT_AXIS(k)                      \
  from += rest % kept##k * kept_stride##k; \
  rest /= kept##k;
#define REDUCED_AXIS(k)                      \
  at += left % reduced##k * reduced_stride##k; \
  left /= reduced##k;
#if KIND == SUM
#define BEGIN 0
#define JOIN_TWO(a, b) ((a) + (b))
#elif KIND == MAXIMUM
#define BEGIN FIRST
#define JOIN_TWO(a, b) ((b) > (a) ? (b) : (a))
#elif KIND == MINIMUM
#define BEGIN FIRST
#define JOIN_TWO(a, b) ((b) < (a) ? (b) : (a))
#elif KIND == ANY
#define BEGIN 0
#define JOIN_TWO(a, b) ((a) != 0 || (b) != 0)
#else
#define BEGIN 1
#define JOIN_TWO(a, b) ((a) != 0 && (b) != 0)
#endif
__kernel void NAME(PARAMETERS) {
#if GROUP > 1
  __local ELEMENT parts[GROUP];
  // Nobody returns before a barrier, not even whole groups: PoCL then mixes up their items.
  const int lane = get_local_id(0), lanes = get_local_size(0), i = get_global_id(1);
#else
  const int lane = 0, lanes = 1, i = get_global_id(0);
  if (i >= outputs) return;
#endif
  int rest = i, from = 0;
  KEPT_AXIS(0)
#if KEPT > 1
  KEPT_AXIS(1)
#endif
#if KEPT > 2
  KEPT_AXIS(2)
#endif
#if KEPT > 3
  KEPT_AXIS(3)
#endif
  ELEMENT all = BEGIN;
  for (int r = lane; r < inputs; r += lanes) {
    int left = r, at = from;
    REDUCED_AXIS(0)
#if REDUCED > 1
    REDUCED_AXIS(1)
#endif
#if REDUCED > 2
    REDUCED_AXIS(2)
#endif
#if REDUCED > 3
    REDUCED_AXIS(3)
#endif
    const ELEMENT v = LOAD(x, at);
    all = JOIN_TWO(all, v);
  }
#if GROUP > 1
  parts[lane] = all;
  for (int half_lanes = lanes / 2; half_lanes > 0; half_lanes /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane < half_lanes) parts[lane] = JOIN_TWO(parts[lane], parts[lane + half_lanes]);
  }
  if (get_global_id(0) > 0) return;
  all = parts[0];
#endif
  EPILOGUE(i, all);
}
#undef KEPT_AXIS
#undef REDUCED_AXIS
#undef BEGIN
#undef JOIN_TWO
