// Inner loop of four bytes at a time: cl_khr_integer_dot_product.
#undef DOT
#define DOT(a, w, sum) ((sum) + (uint)dot_4x8packed_ss_int(a, w))
