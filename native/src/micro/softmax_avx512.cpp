#include "micro/lanes_avx512.h"
// The lanes come first.
#include "micro/softmax_body.h"

namespace subgraft {

const SoftmaxRows* softmax_rows_avx512() { return &kSoftmaxRows; }

}  // namespace subgraft
