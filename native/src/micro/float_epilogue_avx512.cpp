#include "micro/vector_avx512.h"
// The vectors come first.
#include "micro/float_epilogue_body.h"

namespace subgraft {

const ApplyFloatEpilogue* float_epilogue_avx512() {
  static constexpr ApplyFloatEpilogue kApply = apply;
  return &kApply;
}

}  // namespace subgraft
