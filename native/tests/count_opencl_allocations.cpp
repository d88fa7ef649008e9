// Counts heap allocations of an OpenCL command list in steady state, with both kinds of buffers.
//
//   count_opencl_allocations STAND_IN_LIBRARY   prints "<allocations> <runs>"; exits with 1 when any is not 0
#include <dlfcn.h>

#include <cstdio>
#include <vector>

#include "allocations.h"
#include "opencl/commands.h"

namespace {

using namespace subgraft::opencl;

constexpr std::size_t kSize = 64;
constexpr int kLaunches = 1000, kFlushEvery = 16, kRuns = 10;

void record(Commands& commands, const std::shared_ptr<Context>& context) {
  const auto program = Program::build(context, "stand-in", "");
  const auto from = Buffer::make(context, kSize, false), to = Buffer::make(context, kSize, true);
  for (int i = 0; i < kLaunches; ++i) commands.launch({program, "copy", {from, to}, {16}, {4}});
  commands.input({from, kSize, 0});
  commands.input({to, kSize, 0});
  commands.output({from, kSize, 0});
  commands.output({to, kSize, 0});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: count_opencl_allocations STAND_IN_LIBRARY\n");
    return 2;
  }
  const auto library = load(argv[1], {});
  const auto make_context = reinterpret_cast<abi::context* (*)()>(dlsym(dlopen(argv[1], RTLD_NOW), "stand_in_context"));
  const auto context = Context::share(library, make_context(), reinterpret_cast<abi::device*>(1));
  Commands commands(context, kFlushEvery);
  record(commands, context);
  const std::vector<char> given(kSize, 7);
  std::vector<char> first(kSize), second(kSize);
  const void* const inputs[] = {given.data(), given.data()};
  void* const outputs[] = {first.data(), second.data()};
  commands.run(inputs, outputs);
  count_allocations(true);
  for (int i = 0; i < kRuns; ++i) commands.run(inputs, outputs);
  count_allocations(false);
  if (first != given || second != given) return 3;
  std::printf("%ld %d\n", counted_allocations(), kRuns);
  return counted_allocations() != 0;
}
