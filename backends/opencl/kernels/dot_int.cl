// Inner loop of integers for any device. Sums wrap around as the CPU's do, so they are unsigned.
#undef ELEMENT
#undef LANES_FROM
#undef MULTIPLY_ADD
#undef TO_TOTAL
#undef WEIGHTS
#undef X
#undef X4
#define ELEMENT uint
#define MULTIPLY_ADD(a, w, sum) ((a) * (w) + (sum))
#define TO_TOTAL(sum) JOIN(convert_, JOIN(TOTAL_TYPE, TN))(JOIN(as_int, TN)(sum))
#define WEIGHTS(at) JOIN(as_uint, TN)(JOIN(convert_int, TN)(JOIN(vload, TN)(0, POINTER(weights) + (at))))
#define X(p) ((uint)JOIN(LOAD_, TYPE_x)(p, 0))
#define X4(p) as_uint4(JOIN(LOAD4_, TYPE_x)(p, 0))
#define LANES_FROM(type, p) JOIN(as_uint, TN)(JOIN(convert_int, TN)(JOIN(vload, TN)(0, p)))
