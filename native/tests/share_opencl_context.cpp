// Threads run, record and drop things of one OpenCL context until one of them closes it; for the sanitizers.
//
//   share_opencl_context STAND_IN_LIBRARY   exits with 1 when something is left, misused or ends in another error
#include <dlfcn.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "opencl/commands.h"

namespace {

using namespace subgraft::opencl;

constexpr std::size_t kSize = 64;
constexpr int kRounds = 20, kThreads = 4, kRuns = 60, kProfileEvery = 10, kFirstClose = 30;

std::atomic<int> wrong{0};

// The list that all threads share is refused while another one has it.
void use_if_free(Commands& shared, const LaunchRequest& request) {
  try {
    shared.launch(request);
    shared.run(nullptr, nullptr);
  } catch (const Error& error) {
    if (error.code != kBusy) throw;
  }
}

void use(const std::shared_ptr<Context>& context, Commands& shared, bool host_visible, int close_in) {
  const auto program = Program::build(context, "stand-in", "");
  const auto from = Buffer::make(context, kSize, false), to = Buffer::make(context, kSize, host_visible);
  const LaunchRequest request{program, "copy", {from, to}, {16}, {4}};
  Commands commands(context, 1);
  commands.launch(request);
  commands.input({from, kSize, 0});
  commands.output({to, kSize, 0});
  const std::vector<char> given(kSize, 7);
  std::vector<char> received(kSize);
  const void* const inputs[] = {given.data()};
  void* const outputs[] = {received.data()};
  for (int i = 0; i < kRuns; ++i) {
    commands.run(inputs, outputs);
    if (received != given) ++wrong;
    if (i % kProfileEvery == 0) commands.profile(inputs, outputs, 1);
    Buffer::make(context, kSize, false)->write(given.data(), kSize, 0);
    use_if_free(shared, request);
    if (i == close_in) context->close();
  }
}

void round(const std::shared_ptr<Context>& context, int close_in) {
  Commands shared(context, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      try {
        use(context, shared, t % 2 == 1, t == 0 ? close_in : kRuns);
      } catch (const Error& error) {
        if (error.code != kClosed) ++wrong, std::fprintf(stderr, "%s\n", error.what());
      }
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: share_opencl_context STAND_IN_LIBRARY\n");
    return 2;
  }
  const auto library = load(argv[1], {});
  void* const handle = dlopen(argv[1], RTLD_NOW);
  const auto make_context = reinterpret_cast<abi::context* (*)()>(dlsym(handle, "stand_in_context"));
  const auto alive = reinterpret_cast<long (*)(int)>(dlsym(handle, "stand_in_alive"));
  const auto misuses = reinterpret_cast<long (*)()>(dlsym(handle, "stand_in_misuses"));
  for (int i = 0; i < kRounds; ++i)
    round(Context::share(library, make_context(), reinterpret_cast<abi::device*>(1)), kFirstClose + i);
  constexpr int kAllButContexts[] = {1, 2, 3, 4, 5, 6, 7};
  for (const int kind : kAllButContexts)
    if (alive(kind) != 0) ++wrong, std::fprintf(stderr, "%ld objects of kind %d are left\n", alive(kind), kind);
  if (misuses() != 0) ++wrong, std::fprintf(stderr, "%ld misuses\n", misuses());
  return wrong != 0;
}
