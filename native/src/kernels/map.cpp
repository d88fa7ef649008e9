#include "kernels/map.h"

namespace subgraft {

void run_map(const Invocation& v, MapFunction elements, const void* f, int64_t count, int in_bytes, int out_bytes) {
  const std::byte* in = v.in<std::byte>(0);
  std::byte* out = v.out<std::byte>(0);
  v.parallel(count, kElementGrain, [&](int64_t begin, int64_t end) {
    elements(f, in + begin * in_bytes, out + begin * out_bytes, end - begin);
  });
}

Compute map_without_state(int64_t count, MapFunction elements, int in_bytes, int out_bytes) {
  // `elements` copies an object without members from there: any address will do.
  return [=](const Invocation& v) { run_map(v, elements, &elements, count, in_bytes, out_bytes); };
}

int64_t prepare_map(Preparation& p) {
  p.expect(1, 1);
  const Operand& input = p.input(0);
  p.require(input.dtype == p.output(0).dtype, "input is ", dtype_name(input.dtype), " but output is ",
            dtype_name(p.output(0).dtype));
  p.set_output(0, input.shape);
  p.share(0, 0);
  return input.shape.elements();
}

}  // namespace subgraft
