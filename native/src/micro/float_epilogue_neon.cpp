#include "micro/vector_neon.h"
// The vectors come first.
#include "micro/float_epilogue_body.h"

namespace subgraft {

const ApplyFloatEpilogue* float_epilogue_neon() {
  static constexpr ApplyFloatEpilogue kApply = apply;
  return &kApply;
}

}  // namespace subgraft
