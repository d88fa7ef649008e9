// Pooling: one output element an item, channels side by side.
// KIND: AVERAGE, MAXIMUM or L2. SUM: float or int.
__kernel void NAME(PARAMETERS) {
  const int i = get_global_id(0);
  if (i >= count) return;
  const int c = i % channels, pixel = i / channels;
  const int ox = pixel % out_width, row = pixel / out_width;
  const int oy = row % out_height, batch = row / out_height;
  const int y0 = oy * stride_y - pad_y, x0 = ox * stride_x - pad_x;
  const int top = max(y0, 0), bottom = min(y0 + filter_height, height);
  const int left = max(x0, 0), right = min(x0 + filter_width, width);
#if KIND == MAXIMUM
  SUM best = LOAD(x, ((batch * height + top) * width + left) * channels + c);
#else
  SUM sum = 0;
#endif
  for (int y = top; y < bottom; ++y) {
    int at = ((batch * height + y) * width + left) * channels + c;
    for (int k = left; k < right; ++k, at += channels) {
      const SUM v = LOAD(x, at);
#if KIND == MAXIMUM
      best = best < v ? v : best;
#elif KIND == L2
      sum += v * v;
#else
      sum += v;
#endif
    }
  }
#if KIND == MAXIMUM
  EPILOGUE(i, best);
#else
  const int elements = (bottom - top) * (right - left);
#if KIND == L2
  EPILOGUE(i, sqrt(sum / (float)elements));
#elif IS_FLOAT
  EPILOGUE(i, sum / (float)elements);
#else  // halves away from zero
  EPILOGUE(i, (sum > 0 ? sum + elements / 2 : sum - elements / 2) / elements);
#endif
#endif
}
