// Counts heap allocations of the native invoke in steady state.
//
//   count_allocations THREADS MODEL...   prints "<allocations> <model>" for each; exits with 1 when any is not 0
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "allocations.h"
#include "runtime/program.h"

namespace {

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
  count_allocations(true);
  for (int i = 0; i < 3; ++i) program.run();
  count_allocations(false);
  return counted_allocations();
}

}  // namespace

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
