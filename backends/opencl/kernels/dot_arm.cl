// Inner loop of four bytes at a time: cl_arm_integer_dot_product_int8.
#pragma OPENCL EXTENSION cl_arm_integer_dot_product_int8 : enable
#undef DOT
#define DOT(a, w, sum) ((sum) + (uint)arm_dot(as_char4(a), as_char4(w)))
