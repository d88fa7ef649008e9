#include "micro/blockwise_lanes_neon.h"

namespace subgraft {
namespace {

// For weights of 4 bits: a pair of products has 13 bits; those of 8 are no signed bytes.
inline Ints add_quads(Ints sums, Ints w, Ints x) {
  const int8x16_t a = vreinterpretq_s8_s32(w), b = vreinterpretq_s8_s32(x);
  return vpadalq_s16(sums, vpaddq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)), vmull_high_s8(a, b)));
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/blockwise_body.h"

namespace subgraft {

const Blockwise* blockwise_neon();

namespace {
constexpr Blockwise kBlockwise{multiply_blockwise<4>, nullptr};
}
const Blockwise* blockwise_neon() { return &kBlockwise; }

}  // namespace subgraft
