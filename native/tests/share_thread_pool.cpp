// Programs share pools of threads: every element is worked on once, whether workers look, sleep or are late.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "core/available_cpus.h"
#include "runtime/running_program.h"
#include "runtime/threads.h"

// A machine of so many CPUs, so that all workers start.
int subgraft::available_cpus(const std::string&) { return 8; }

namespace {

constexpr int64_t kCount = 1000;

// Many jobs in a row, each of which reads what the last one wrote; now and then the workers fall asleep.
void work(subgraft::ThreadPool& pool, int jobs, int pause) {
  const subgraft::RunningProgram running;
  std::vector<int64_t> from(kCount), to(kCount);
  for (int job = 0; job < jobs; ++job) {
    const int64_t grain = 1 + job % 400;
    pool.parallel(kCount, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[static_cast<size_t>(i)] = from[static_cast<size_t>(kCount - 1 - i)] + 1;
    });
    from.swap(to);
    if (job % pause == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (const int64_t element : from)
    if (element != jobs) {
      std::fprintf(stderr, "%lld jobs were done of %d\n", static_cast<long long>(element), jobs);
      std::exit(1);
    }
}

}  // namespace

int main(int count, char** arguments) {
  const int jobs = count > 1 ? std::atoi(arguments[1]) : 1000;
  for (const int threads : {2, 3, 8}) {
    subgraft::ThreadPool pool(threads);
    work(pool, jobs, 50);
    std::thread other([&] { work(pool, jobs, 70); });
    work(pool, jobs, 30);
    other.join();
  }
  return 0;
}
