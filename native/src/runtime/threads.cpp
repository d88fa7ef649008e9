#include "runtime/threads.h"

#include <pthread.h>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace subgraft {
namespace {

// How long a thread looks before it sleeps. Waking a sleeper costs some 50 us, a layer often less.
constexpr int kSpins = 2000;

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Counts in the child, so that a pool knows whether its workers came along (they never do).
std::atomic<int> forks_into_here{0};

int count_forks() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] { ++forks_into_here; });
  (void)registered;
  return forks_into_here;
}

}  // namespace

ThreadPool::ThreadPool(int threads) : size_(threads), forks_(count_forks()) {}

ThreadPool::~ThreadPool() {
  if (forks_into_here != forks_) {
    for (std::thread& worker : workers_) worker.detach();
    return;
  }
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::start() {
  for (int i = 1; i < size_; ++i) workers_.emplace_back([this, i] { work_until_closed(i); });
}

void ThreadPool::run_piece(int piece) const {
  call_(context_, count_ * piece / pieces_, count_ * (piece + 1) / pieces_);
}

void ThreadPool::fork_join(int64_t count, int pieces, Call call, void* context) {
  if (forks_into_here != forks_) {
    call(context, 0, count);
    return;
  }
  if (workers_.empty()) start();
  {
    std::lock_guard lock(mutex_);
    count_ = count;
    pieces_ = pieces;
    call_ = call;
    context_ = context;
    unfinished_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  run_piece(0);
  while (unfinished_.load(std::memory_order_acquire) > 0) {
    for (int i = 0; i < kSpins && unfinished_.load(std::memory_order_acquire) > 0; ++i) relax();
    if (unfinished_.load(std::memory_order_acquire) > 0) std::this_thread::yield();
  }
}

void ThreadPool::work_until_closed(int worker) {
  uint64_t seen = 0;
  for (;;) {
    for (int i = 0; i < kSpins && round_.load(std::memory_order_acquire) == seen; ++i) relax();
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return closed_ || round_.load(std::memory_order_relaxed) != seen; });
      if (closed_) return;
      seen = round_.load(std::memory_order_relaxed);
    }
    if (worker < pieces_) run_piece(worker);
    unfinished_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace subgraft
