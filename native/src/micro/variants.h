// How a kernel that is written once for each instruction set is chosen.
//
//   constexpr Variant<Int8Gemm> kInt8Gemms[] = {
//       {InstructionSet::avx2, int8_gemm_avx2},
//   #if defined(SUBGRAFT_AMX)
//       {InstructionSet::amx, int8_gemm_amx},
//   #endif
//   };
//   const Int8Gemm* gemm = best(kInt8Gemms);  // null: the reference kernel has to do
//
// Every variant is a file of its own, named after its set (gemm_int8_amx.cpp), which is compiled for that set. Such a
// file includes nothing with inline functions but headers of this folder whose functions are static or in an unnamed
// namespace: the linker keeps one copy of other inline functions, and it may be the one that older processors cannot
// run.
#pragma once

#include "core/instruction_set.h"

namespace subgraft {

template <typename Kernel>
struct Variant {
  InstructionSet set;
  const Kernel* (*kernel)();
};

// Of variants in rising order the last that is enabled.
template <typename Kernel, size_t count>
const Kernel* best(const Variant<Kernel> (&variants)[count]) {
  const Variant<Kernel>* found = nullptr;
  for (const Variant<Kernel>& variant : variants)
    if (is_enabled(variant.set)) found = &variant;
  return found ? found->kernel() : nullptr;  // of no other, whose code would come into memory
}

}  // namespace subgraft
