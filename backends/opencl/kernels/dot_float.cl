// Inner loop of real numbers.
#undef ELEMENT
#undef LANES_FROM
#undef MULTIPLY_ADD
#undef TO_TOTAL
#undef WEIGHTS
#undef X
#undef X4
#define ELEMENT float
#define MULTIPLY_ADD(a, w, sum) MAC(a, w, sum)
#define TO_TOTAL(sum) (sum)
#define WEIGHTS(at) JOIN(vload, TN)(0, POINTER(weights) + (at))
#define X(p) JOIN(LOAD_, TYPE_x)(p, 0)
#define X4(p) JOIN(LOAD4_, TYPE_x)(p, 0)
#undef LANES_FROM_float
#undef LANES_FROM_half
#define LANES_FROM_float(p) JOIN(vload, TN)(0, p)
#define LANES_FROM_half(p) JOIN(vload_half, TN)(0, p)
#define LANES_FROM(type, p) JOIN(LANES_FROM_, type)(p)
