// Inner loop of integers whose sums do not fit into 32 bits: 16-bit activations times 16-bit numbers.
#undef ELEMENT
#undef LANES_FROM
#undef MULTIPLY_ADD
#undef TO_TOTAL
#define ELEMENT ulong
#define LANES_FROM(type, p) JOIN(as_ulong, TN)(JOIN(convert_long, TN)(JOIN(vload, TN)(0, p)))
#define MULTIPLY_ADD(a, w, sum) ((a) * (w) + (sum))
#define TO_TOTAL(sum) JOIN(as_long, TN)(sum)
