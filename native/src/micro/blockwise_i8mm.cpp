#include "micro/blockwise_lanes_neon.h"

namespace subgraft {
namespace {

inline Ints add_quads(Ints sums, Ints w, Ints x) {
  return vusdotq_s32(sums, vreinterpretq_u8_s32(w), vreinterpretq_s8_s32(x));
}

}  // namespace
}  // namespace subgraft

// Above is what it needs.
#include "micro/blockwise_body.h"

namespace subgraft {

const Blockwise* blockwise_i8mm();

namespace {
constexpr Blockwise kBlockwise{multiply_blockwise<4>, multiply_blockwise<8>};
}
const Blockwise* blockwise_i8mm() { return &kBlockwise; }

}  // namespace subgraft
