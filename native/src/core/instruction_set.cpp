#include "core/instruction_set.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>

#include "core/errors.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace subgraft {
namespace {

constexpr std::string_view kNames[] = {"generic", "avx2", "avxvnni", "avx512", "avx512vnni",
                                       "amx",     "neon", "dotprod", "i8mm"};

#if defined(__x86_64__)

struct Registers {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

// Zeros for a leaf above the last. In a virtual machine every question takes microseconds.
Registers cpuid(uint32_t leaf, uint32_t part) {
  static const uint32_t last = __get_cpuid_max(0, nullptr);
  Registers r;
  if (leaf <= last) __cpuid_count(leaf, part, r.a, r.b, r.c, r.d);
  return r;
}

bool bit(uint32_t word, int position) { return (word >> position & 1) != 0; }

// The parts of a thread's state that the system saves: XCR0.
uint64_t saved_state() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

// Linux gives the memory for tiles to threads of a process that asks (arch_prctl(2), ARCH_REQ_XCOMP_PERM).
bool may_use_tiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

// Bits as in Intel's manual, volume 2, CPUID: leaf 1, leaf 7 parts 0 and 1; volume 1, chapter 13: XCR0.
std::vector<InstructionSet> detect() {
  std::vector<InstructionSet> sets = {InstructionSet::generic};
  const Registers one = cpuid(1, 0), seven = cpuid(7, 0), more = cpuid(7, 1);
  const bool has_xgetbv = bit(one.c, 27);
  if (!has_xgetbv) return sets;
  const uint64_t state = saved_state();
  constexpr uint64_t kVectors = 0x6, kWideVectors = 0xe6, kTiles = 0x60000;
  const bool fma = bit(one.c, 12), f16c = bit(one.c, 29), avx2 = bit(seven.b, 5);
  if ((state & kVectors) != kVectors || !fma || !f16c || !avx2) return sets;
  sets.push_back(InstructionSet::avx2);
  if (bit(more.a, 4)) sets.push_back(InstructionSet::avxvnni);
  const bool wide = bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 30) && bit(seven.b, 31);  // F, DQ, BW, VL
  if ((state & kWideVectors) != kWideVectors || !wide) return sets;
  sets.push_back(InstructionSet::avx512);
  if (!bit(seven.c, 11)) return sets;
  sets.push_back(InstructionSet::avx512vnni);
  const bool tiles = bit(seven.d, 24) && bit(seven.d, 25);  // AMX-TILE, AMX-INT8
  if ((state & kTiles) == kTiles && tiles && may_use_tiles()) sets.push_back(InstructionSet::amx);
  return sets;
}

#elif defined(__aarch64__)

std::vector<InstructionSet> detect() {
  std::vector<InstructionSet> sets = {InstructionSet::generic, InstructionSet::neon};
#if defined(__linux__)
  // asm/hwcap.h: HWCAP_ASIMDDP and HWCAP2_I8MM.
  if ((getauxval(AT_HWCAP) >> 20 & 1) == 0) return sets;
  sets.push_back(InstructionSet::dotprod);
  if ((getauxval(AT_HWCAP2) >> 13 & 1) != 0) sets.push_back(InstructionSet::i8mm);
#endif
  return sets;
}

#else

std::vector<InstructionSet> detect() { return {InstructionSet::generic}; }

#endif

bool contains(const std::vector<InstructionSet>& sets, InstructionSet set) {
  for (const InstructionSet one : sets)
    if (one == set) return true;
  return false;
}

InstructionSet limit_named(std::string_view name) {
  const auto& available = available_instruction_sets();
  if (name.empty()) return available.back();
  std::string known;
  for (const InstructionSet set : available) {
    if (name_of(set) == name) return set;
    known += concat(known.empty() ? "" : ", ", name_of(set));
  }
  throw ArgumentError(concat("instruction set '", name, "' is none that this machine can run: ", known));
}

std::atomic<InstructionSet>& limit() {
  static std::atomic<InstructionSet> value = [] {
    const char* text = std::getenv("SUBGRAFT_ISA");
    try {
      return limit_named(text ? text : "");
    } catch (const ArgumentError& error) {
      throw ArgumentError(concat("SUBGRAFT_ISA: ", error.what()));
    }
  }();
  return value;
}

}  // namespace

std::string_view name_of(InstructionSet set) { return kNames[static_cast<size_t>(set)]; }

const std::vector<InstructionSet>& available_instruction_sets() {
  static const std::vector<InstructionSet> sets = detect();
  return sets;
}

bool is_enabled(InstructionSet set) { return set <= limit() && contains(available_instruction_sets(), set); }

InstructionSet best_instruction_set() { return limit(); }

void limit_instruction_set(std::string_view name) { limit() = limit_named(name); }

}  // namespace subgraft
