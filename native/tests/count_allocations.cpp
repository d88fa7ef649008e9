// Counts heap allocations of the native invoke in steady state.
//
//   count_allocations THREADS MODEL...   prints "<allocations> <model>" for each; exits with 1 when any is not 0
#include <dlfcn.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "runtime/program.h"

namespace {

std::atomic<bool> counting{false};
std::atomic<long> allocations{0};

void count() {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
}

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// operator new ends in malloc, so these see every allocation of the process.
extern "C" void* malloc(size_t size) {
  static const auto real = next<void* (*)(size_t)>("malloc");
  count();
  return real(size);
}

extern "C" void* realloc(void* block, size_t size) {
  static const auto real = next<void* (*)(void*, size_t)>("realloc");
  count();
  return real(block, size);
}

extern "C" void* aligned_alloc(size_t alignment, size_t size) {
  static const auto real = next<void* (*)(size_t, size_t)>("aligned_alloc");
  count();
  return real(alignment, size);
}

extern "C" int posix_memalign(void** block, size_t alignment, size_t size) {
  static const auto real = next<int (*)(void**, size_t, size_t)>("posix_memalign");
  count();
  return real(block, alignment, size);
}

namespace {

// dlsym itself calls calloc, so this one asks glibc by its own name instead of the dynamic linker.
extern "C" void* __libc_calloc(size_t count, size_t size);

long allocations_of(const char* path, int threads) {
  subgraft::ProgramRequest request;
  request.model = subgraft::open_model(path);
  const subgraft::SubgraphDef& graph = request.model->subgraphs[0];
  request.ops.resize(graph.ops.size());
  std::iota(request.ops.begin(), request.ops.end(), 0);
  request.inputs = graph.inputs;
  request.outputs = graph.outputs;
  request.pool = std::make_shared<subgraft::ThreadPool>(threads);
  subgraft::Program program(std::move(request));
  program.run();
  allocations = 0;
  counting = true;
  for (int i = 0; i < 3; ++i) program.run();
  counting = false;
  return allocations;
}

}  // namespace

extern "C" void* calloc(size_t elements, size_t size) {
  count();
  return __libc_calloc(elements, size);
}

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: count_allocations THREADS MODEL...\n");
    return 2;
  }
  const int threads = std::max(1, std::atoi(argv[1]));
  int failed = 0;
  for (int i = 2; i < argc; ++i) {
    try {
      const long found = allocations_of(argv[i], threads);
      std::printf("%ld %s\n", found, argv[i]);
      if (found != 0) failed = 1;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", argv[i], error.what());
      return 3;
    }
  }
  return failed;
}
