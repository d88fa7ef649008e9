#include "micro/pack_int8.h"

#include "micro/variants.h"

namespace subgraft {

#if defined(SUBGRAFT_AVX2)
const PackInt8* pack_int8_avx2();

const PackInt8* pack_int8() {
  static constexpr Variant<PackInt8> variants[] = {{InstructionSet::avx2, pack_int8_avx2}};
  return best(variants);
}
#else
const PackInt8* pack_int8() { return nullptr; }
#endif

}  // namespace subgraft
