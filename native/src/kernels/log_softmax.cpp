// LOG_SOFTMAX over the last dimension.
#include <memory>

#include "kernels/families.h"
#include "kernels/log_softmax_math.h"
#include "kernels/rows.h"
#include "micro/softmax.h"

namespace subgraft {
namespace {

template <typename T>
Compute log_softmax8(Preparation& p, const Rows& rows) {
  require_output(p, 1.f / 16, std::numeric_limits<T>::max());
  const auto table = std::make_shared<const LogSoftmax8>(double{p.input(0).scale()});
  return [rows, table](const Invocation& v) {
    rows.compute<T, T>(v, [&](const T* in, T* out) { log_softmax_row(in, out, rows.depth, *table); });
  };
}

Compute prepare_log_softmax(Preparation& p) {
  const Rows rows = prepare_rows(p);
  const DType in = p.input(0).dtype, out = p.output(0).dtype;
  if (in == DType::float32 && out == in) {
    if (const SoftmaxRows* fast = softmax_rows())
      return [rows, run = fast->log](const Invocation& v) {
        rows.compute_many<float, float>(v,
                                        [&](const float* x, float* y, int64_t count) { run(x, y, count, rows.depth); });
      };
    return [rows](const Invocation& v) {
      rows.compute<float, float>(v, [&](const float* x, float* y) { log_softmax_row(x, y, rows.depth); });
    };
  }
  if (in == DType::int8 && out == in) return log_softmax8<int8_t>(p, rows);
  if (in == DType::uint8 && out == in) return log_softmax8<uint8_t>(p, rows);
  p.unsupported("input ", dtype_name(in), " with output ", dtype_name(out));
}

}  // namespace

void register_log_softmax(Registry& registry) { registry.add("LOG_SOFTMAX", prepare_log_softmax); }

}  // namespace subgraft
