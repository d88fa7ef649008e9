#include "micro/lstm_steps.h"

#include "micro/variants.h"

namespace subgraft {

const LstmSteps* lstm_steps_avx2();
const LstmSteps* lstm_steps_neon();

const LstmSteps* lstm_steps() {
  static constexpr Variant<LstmSteps> variants[] = {
      {InstructionSet::generic, [] { return static_cast<const LstmSteps*>(nullptr); }},
#if defined(SUBGRAFT_AVX2)
      {InstructionSet::avx2, lstm_steps_avx2},
#endif
#if defined(SUBGRAFT_NEON)
      {InstructionSet::neon, lstm_steps_neon},
#endif
  };
  return best(variants);
}

}  // namespace subgraft
