#include "micro/int16_bytes.h"

#include "micro/variants.h"

namespace subgraft {

const Int16Bytes* int16_bytes_avx512();

const Int16Bytes* int16_bytes() {
  static constexpr Variant<Int16Bytes> variants[] = {
      {InstructionSet::generic, [] { return static_cast<const Int16Bytes*>(nullptr); }},
#if defined(SUBGRAFT_AVX512)
      {InstructionSet::avx512, int16_bytes_avx512},
#endif
  };
  return best(variants);
}

}  // namespace subgraft
