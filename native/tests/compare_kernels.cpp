// Compares the kernels of every instruction set that this machine has with the reference kernels, on random models.
//
//   compare_kernels [--op TEXT] [--count N] [--seed N] [--set NAME] [--list] [--spoil]
//
// --op: ops whose name begins with this (again for more of them; all by default; CONV_2D= means that one alone).
// --count: models for each op (100). --seed: of the first one; the next has the next number (0). --set: this one
// instruction set (all). --spoil: changes what every fast kernel gives, to see that it is noticed. A difference is
// reported with the command that shows it alone. Exits with 1 when there is any, or when most models of an op are
// refused, so that nothing was compared.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "compare/draws.h"
#include "compare/outputs.h"
#include "core/errors.h"
#include "core/instruction_set.h"

namespace {

using namespace subgraft;
using namespace subgraft::compare;

struct Request {
  std::vector<std::string> ops;
  long count = 100;
  uint64_t seed = 0;
  std::string set;
  bool lists = false, spoils = false;
};

struct Tally {
  long computed = 0, refused = 0, different = 0;
  std::map<std::string, long> refusals;
};

char current[256];  // the command that repeats what is being compared, for a process that dies of it

void tell_and_die(int number) {
  constexpr char kText[] = "\nDIED in: ";
  [[maybe_unused]] auto written = write(2, kText, sizeof(kText) - 1);
  written = write(2, current, strlen(current));
  written = write(2, "\n", 1);
  signal(number, SIG_DFL);
  raise(number);
}

std::vector<Draw> all_draws() {
  std::vector<Draw> draws;
  for (const auto family : {convolution_draws(), product_draws(), window_draws(), binary_draws(), unary_draws(),
                            row_draws(), movement_draws(), rearrangement_draws(), spectrum_draws(), sparse_draws(),
                            recurrent_draws(), chain_draws(), control_draws()})
    draws.insert(draws.end(), family.begin(), family.end());
  return draws;
}

bool is_wanted(const Request& request, std::string_view op) {
  const auto names = [&](const std::string& wanted) {
    return wanted.ends_with('=') ? op == wanted.substr(0, wanted.size() - 1) : op.starts_with(wanted);
  };
  return request.ops.empty() || std::any_of(request.ops.begin(), request.ops.end(), names);
}

uint64_t seed_of(std::string_view op, uint64_t number) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : op) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash + number * 0x9e3779b97f4a7c15;
}

class Comparison {
 public:
  explicit Comparison(const Request& request) : spoils_(request.spoils) {
    for (const InstructionSet set : available_instruction_sets())
      if (set != InstructionSet::generic && (request.set.empty() || name_of(set) == request.set))
        sets_.emplace_back(name_of(set));
    if (!request.set.empty() && request.set != "generic" && sets_.empty())
      throw ArgumentError(concat("this machine has no instruction set '", request.set, "'"));
  }

  void compare(const Draw& draw, uint64_t seed, Tally& tally) {
    std::snprintf(current, sizeof(current), "compare_kernels --op %s= --seed %llu --count 1", draw.op,
                  static_cast<unsigned long long>(seed));
    Random random(seed_of(draw.op, seed));
    DrawnModel drawn(random);
    draw.draw(drawn, draw.op);
    const auto model = drawn.finish();
    const Outputs expected = compute(model, drawn, "generic", one_, Memory::keep);
    if (expected.is_refused()) {
      ++tally.refused;
      ++tally.refusals[expected.refusal];
    } else {
      ++tally.computed;
    }
    const auto tell = [&](std::string_view set, const char* how, const std::optional<std::string>& found) {
      if (!found) return;
      ++tally.different;
      std::printf("%s --set %s: %s: %s\n%s", current, std::string(set).c_str(), how, found->c_str(),
                  drawn.text().c_str());
      std::fflush(stdout);
    };
    Outputs threaded = compute(model, drawn, "generic", several_, Memory::fenced);
    spoil(threaded);
    tell("generic", "2 threads differ from 1", difference(expected, threaded, drawn, true));
    for (const std::string& set : sets_) {
      Outputs fast = compute(model, drawn, set, one_, Memory::fenced);
      spoil(fast);
      tell(set, "1 thread", difference(expected, fast, drawn, false));
      const Outputs shared = compute(model, drawn, set, several_, Memory::own);
      tell(set, "2 threads differ from 1", difference(fast, shared, drawn, true));
      if (!random.once_in(3)) continue;
      // Nothing is fused or absorbed, so that floats may be added up in another order.
      const Outputs kept = compute(model, drawn, set, several_, Memory::keep);
      tell(set, "keeping every tensor", difference(fast, kept, drawn, false));
    }
  }

 private:
  // Another sign or exponent of floats, another sign of integers.
  void spoil(Outputs& outputs) const {
    if (!spoils_) return;
    for (Output& output : outputs.tensors)
      if (!output.bytes.empty()) output.bytes.back() ^= std::byte{0xc0};
  }

  bool spoils_;
  std::vector<std::string> sets_;
  std::shared_ptr<ThreadPool> one_ = std::make_shared<ThreadPool>(1), several_ = std::make_shared<ThreadPool>(2);
};

void tell_sets() {
  std::string names;
  for (const InstructionSet set : available_instruction_sets()) names += concat(" ", name_of(set));
  std::printf("instruction sets:%s\n", names.c_str());
}

bool run(const Request& request) {
  Comparison comparison(request);
  bool is_good = true, found_any = false;
  if (!request.lists) tell_sets();
  for (const Draw& draw : all_draws()) {
    if (!is_wanted(request, draw.op)) continue;
    found_any = true;
    if (request.lists) {
      std::printf("%s\n", draw.op);
      continue;
    }
    Tally tally;
    for (long i = 0; i < request.count; ++i) comparison.compare(draw, request.seed + static_cast<uint64_t>(i), tally);
    std::printf("%-28s %ld computed, %ld refused, %ld different\n", draw.op, tally.computed, tally.refused,
                tally.different);
    std::fflush(stdout);
    const bool is_mostly_refused = request.count > 1 && tally.refused > tally.computed;
    if (is_mostly_refused)
      for (const auto& [refusal, count] : tally.refusals) std::printf("  %ld times: %s\n", count, refusal.c_str());
    is_good = is_good && tally.different == 0 && !is_mostly_refused;
  }
  if (!found_any) throw ArgumentError("no op has such a name; see --list");
  return is_good;
}

Request read_arguments(int count, char** arguments) {
  Request request;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = arguments[i];
    if (name == "--list" || name == "--spoil") {
      (name == "--list" ? request.lists : request.spoils) = true;
      continue;
    }
    if (i + 1 == count) throw ArgumentError(concat("what is ", name, "? See the head of compare_kernels.cpp"));
    const char* const value = arguments[++i];
    if (name == "--op")
      request.ops.emplace_back(value);
    else if (name == "--count")
      request.count = std::atol(value);
    else if (name == "--seed")
      request.seed = std::strtoull(value, nullptr, 10);
    else if (name == "--set")
      request.set = value;
    else
      throw ArgumentError(concat("what is ", name, "? See the head of compare_kernels.cpp"));
  }
  return request;
}

}  // namespace

int main(int count, char** arguments) {
  for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) signal(number, tell_and_die);
  try {
    return run(read_arguments(count, arguments)) ? 0 : 1;
  } catch (const ArgumentError& error) {
    std::fprintf(stderr, "compare_kernels: %s\n", error.what());
    return 2;
  }
}
