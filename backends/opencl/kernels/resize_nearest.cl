// RESIZE_NEAREST_NEIGHBOR: tables hold the input's row and column for each of the output's.
__kernel void NAME(PARAMETERS) {
  const int i = get_global_id(0);
  if (i >= count) return;
  const int c = i % channels, pixel = i / channels;
  const int row = pixel / out_width;
  const int y = row / out_height * height + LOAD(rows, row % out_height);
  EPILOGUE(i, LOAD(x, (y * width + LOAD(columns, pixel % out_width)) * channels + c));
}
