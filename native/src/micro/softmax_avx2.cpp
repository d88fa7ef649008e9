#include "micro/lanes_avx2.h"
// The lanes come first.
#include "micro/softmax_body.h"

namespace subgraft {

const SoftmaxRows* softmax_rows_avx2() { return &kSoftmaxRows; }

}  // namespace subgraft
