#include "micro/lanes_neon.h"
// The lanes come first.
#include "micro/softmax_body.h"

namespace subgraft {

const SoftmaxRows* softmax_rows_neon();

const SoftmaxRows* softmax_rows_neon() { return &kSoftmaxRows; }

}  // namespace subgraft
