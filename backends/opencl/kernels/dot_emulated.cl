// Inner loop of four bytes at a time in plain integers: for tests of what the other such loops share.
#undef DOT
#define DOT(a, w, sum) JOIN(NAME, _dot)(a, w, sum)
static inline uint DOT(uint a, uint w, uint sum) {
  const int4 products = convert_int4(as_char4(a)) * convert_int4(as_char4(w));
  return sum + (uint)(products.s0 + products.s1 + products.s2 + products.s3);
}
