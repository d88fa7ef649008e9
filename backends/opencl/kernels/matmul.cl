// Product of two matrices that are both computed: an item sums TM rows x TN units of one of many such products.
// left_at, right_at: where each product's matrices begin. x_row, x_step, right_unit, right_step: from one element to the
// next along the rows or units, and along the depth. ADJACENT: units are neighbours, and fill their vectors.
// FLUSH: sums are moved to totals after `flush` elements, before they could be too long for their type.

#define SUMS JOIN(ELEMENT, TN)
#define TOTALS JOIN(TOTAL_TYPE, TN)

__kernel void NAME(PARAMETERS) {
  const int unit = get_global_id(0) * TN, first = get_global_id(1) * TM, batch = get_global_id(2);
  if (unit >= units || first >= rows || batch >= batches) return;
  __global const TYPE_x *left[TM];
#pragma unroll
  for (int i = 0; i < TM; ++i) left[i] = POINTER(x) + LOAD(left_at, batch) + min(first + i, rows - 1) * x_row;
  __global const TYPE_right *from = POINTER(right) + LOAD(right_at, batch);
#ifdef ADJACENT
  from += unit;
#else
  int at[TN];
#pragma unroll
  for (int j = 0; j < TN; ++j) at[j] = min(unit + j, units - 1) * right_unit;
#endif

  SUMS sums[TM];
#pragma unroll
  for (int i = 0; i < TM; ++i) sums[i] = (SUMS)(0);
#ifdef FLUSH
  TOTALS totals[TM];
#pragma unroll
  for (int i = 0; i < TM; ++i) totals[i] = (TOTALS)(0);
#else
  const int flush = depth;
#endif
  for (int k0 = 0; k0 < depth; k0 += flush) {
    const int k1 = min(k0 + flush, depth);
    for (int k = k0; k < k1; ++k, from += right_step) {
#ifdef ADJACENT
      const SUMS b = LANES_FROM(TYPE_right, from);
#else
      ELEMENT values[TN];
#pragma unroll
      for (int j = 0; j < TN; ++j) values[j] = (ELEMENT)JOIN(LOAD_, TYPE_right)(from, at[j]);
      const SUMS b = JOIN(vload, TN)(0, values);
#endif
#pragma unroll
      for (int i = 0; i < TM; ++i) {
        const ELEMENT a = (ELEMENT)JOIN(LOAD_, TYPE_x)(left[i], k * x_step) - (ELEMENT)(ZERO_LEFT);
        sums[i] = MULTIPLY_ADD((SUMS)(a), b - (SUMS)(ZERO_RIGHT), sums[i]);
      }
    }
#ifdef FLUSH
#pragma unroll
    for (int i = 0; i < TM; ++i) {
      totals[i] += TO_TOTAL(sums[i]);
      sums[i] = (SUMS)(0);
    }
#endif
  }

#ifdef ROLLED
#pragma nounroll
#else
#pragma unroll
#endif
  for (int i = 0; i < TM; ++i) {
    if (first + i >= rows) continue;
    TOTAL_TYPE row[TN];
#ifdef FLUSH
    JOIN(vstore, TN)(totals[i], 0, row);
#else
    JOIN(vstore, TN)(TO_TOTAL(sums[i]), 0, row);
#endif
#ifdef ROLLED
#pragma nounroll
#else
#pragma unroll
#endif
    for (int j = 0; j < TN; ++j) {
      if (unit + j >= units) continue;
      EPILOGUE((batch * rows + first + i) * units + unit + j, FINISH(row[j], 0));
    }
  }
}

#undef SUMS
#undef TOTALS
