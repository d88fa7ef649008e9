// RESIZE_BILINEAR: tables hold for each row and column its two neighbours and how far it is from the first.
// FRACTION: the type that is computed with: float (float32, uint8) or int or long (units of 1/1024). ROUNDED: uint8.
__kernel void NAME(PARAMETERS) {
  const int i = get_global_id(0);
  if (i >= count) return;
  const int c = i % channels, pixel = i / channels;
  const int ox = pixel % out_width, row = pixel / out_width;
  const int oy = row % out_height, image = row / out_height * height;
  const int upper = (image + LOAD(top, oy)) * width, lower = (image + LOAD(bottom, oy)) * width;
  const int x0 = LOAD(left, ox), x1 = LOAD(right, ox);
  const FRACTION dy = LOAD(down, oy), dx = LOAD(across, ox);
  const FRACTION p = LOAD(x, (upper + x0) * channels + c), q = LOAD(x, (lower + x0) * channels + c);
  const FRACTION r = LOAD(x, (upper + x1) * channels + c), s = LOAD(x, (lower + x1) * channels + c);
#if FIXED
  const FRACTION one = 1 << 10, half_unit = 1 << 19;
  const FRACTION sum =
      p * ((one - dy) * (one - dx)) + q * (dy * (one - dx)) + r * ((one - dy) * dx) + s * (dy * dx);
  EPILOGUE(i, (int)((sum + (sum > 0 ? half_unit : -half_unit)) / (one * one)));
#else  // in the order of the CPU, which decides how the products round
  const float sum = p * (1 - dy) * (1 - dx) + q * dy * (1 - dx) + r * (1 - dy) * dx + s * dy * dx;
#if ROUNDED
  EPILOGUE(i, (int)(sum + 0.5f));
#else
  EPILOGUE(i, sum);
#endif
#endif
}
