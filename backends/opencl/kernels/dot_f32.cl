// Inner loop of integers in single precision: exact while no sum exceeds 2^24, so the host says when to FLUSH.
// For devices whose floats are faster than their integers, as those of the Vivante GC7000L are.
#undef ELEMENT
#undef LANES_FROM
#undef MULTIPLY_ADD
#undef TO_TOTAL
#undef WEIGHTS
#undef X
#undef X4
#define ELEMENT float
#define MULTIPLY_ADD(a, w, sum) MAC(a, w, sum)
#define TO_TOTAL(sum) JOIN(as_uint, TN)(JOIN(convert_int, TN)(sum))
#define WEIGHTS(at) JOIN(convert_float, TN)(JOIN(vload, TN)(0, POINTER(weights) + (at)))
#define X(p) ((float)JOIN(LOAD_, TYPE_x)(p, 0))
#define X4(p) convert_float4(JOIN(LOAD4_, TYPE_x)(p, 0))
#define LANES_FROM(type, p) JOIN(convert_float, TN)(JOIN(vload, TN)(0, p))
