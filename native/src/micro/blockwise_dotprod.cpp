#include "micro/blockwise_lanes_neon.h"

namespace subgraft {
namespace {

// For weights of 4 bits: those of 8 are no signed bytes.
inline Ints add_quads(Ints sums, Ints w, Ints x) {
  return vdotq_s32(sums, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/blockwise_body.h"

namespace subgraft {

const Blockwise* blockwise_dotprod();

namespace {
constexpr Blockwise kBlockwise{multiply_blockwise<4>, nullptr};
}
const Blockwise* blockwise_dotprod() { return &kBlockwise; }

}  // namespace subgraft
