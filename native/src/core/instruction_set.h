// The instruction sets that kernels are written for, and which of them this process uses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace subgraft {

// In rising order of preference on one architecture. `generic` is plain C++: the reference kernels.
enum class InstructionSet : unsigned char {
  generic,
  avx2,        // AVX2, FMA, F16C
  avxvnni,     // with 8-bit dot products in 256 bits
  avx512,      // AVX-512 F, BW, DQ, VL
  avx512vnni,  // with 8-bit dot products in 512 bits
  amx,         // with tiles of 8-bit integers
  neon,        // every aarch64
  dotprod,     // with 8-bit dot products
  i8mm,        // with products of 8-bit matrices
};

std::string_view name_of(InstructionSet set);

// The sets this processor and system can run, `generic` first, the best last.
const std::vector<InstructionSet>& available_instruction_sets();

// Whether kernels may use this set: it is available, and no better one than the limit. The limit is SUBGRAFT_ISA at the
// start of the process; throws ArgumentError when that names no available set.
bool is_enabled(InstructionSet set);

// The best set that is enabled: part of the kind of every shared value whose layout depends on the set.
InstructionSet best_instruction_set();

// Programs that are made from now on use no better set than this. Throws ArgumentError when it is none that is
// available. "" takes the limit away.
void limit_instruction_set(std::string_view name);

}  // namespace subgraft
