#include "runtime/threads.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

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

class ThreadPool::Workers {
 public:
  explicit Workers(int count);
  ~Workers();
  // Piece 0 is the caller's.
  void run(int64_t count, int pieces, Call call, void* context);

 private:
  void run_piece(int piece) const { call_(context_, count_ * piece / pieces_, count_ * (piece + 1) / pieces_); }
  void work_until_closed(int worker);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> round_{0};
  std::atomic<int> unfinished_{0};
  bool closed_ = false;
  std::vector<std::thread> threads_;

  int64_t count_ = 0;
  int pieces_ = 0;
  Call call_ = nullptr;
  void* context_ = nullptr;
};

ThreadPool::Workers::Workers(int count) {
  threads_.reserve(static_cast<size_t>(count));
  try {
    for (int i = 1; i <= count; ++i) threads_.emplace_back([this, i] { work_until_closed(i); });
  } catch (const std::system_error&) {
    // The system gives no more threads: those that are there share the work.
  }
}

ThreadPool::Workers::~Workers() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::Workers::run(int64_t count, int pieces, Call call, void* context) {
  {
    std::lock_guard lock(mutex_);
    count_ = count;
    pieces_ = std::min(pieces, static_cast<int>(threads_.size()) + 1);
    call_ = call;
    context_ = context;
    unfinished_.store(static_cast<int>(threads_.size()), std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  run_piece(0);
  while (unfinished_.load(std::memory_order_acquire) > 0) {
    for (int i = 0; i < kSpins && unfinished_.load(std::memory_order_acquire) > 0; ++i) relax();
    if (unfinished_.load(std::memory_order_acquire) > 0) std::this_thread::yield();
  }
}

void ThreadPool::Workers::work_until_closed(int worker) {
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

ThreadPool::ThreadPool(int threads) : size_(threads), forks_(count_forks()) {}

ThreadPool::~ThreadPool() {
  // In a forked child: nobody is there to join, and destroying what the missing threads wait on never ends.
  if (forks_into_here != forks_) (void)workers_.release();
}

void ThreadPool::fork_join(int64_t count, int pieces, Call call, void* context) {
  if (forks_into_here != forks_ || taken_.exchange(true, std::memory_order_acquire)) {
    call(context, 0, count);
    return;
  }
  struct Release {
    std::atomic<bool>& taken;
    ~Release() { taken.store(false, std::memory_order_release); }
  } release{taken_};
  if (!workers_) workers_ = std::make_unique<Workers>(size_ - 1);
  workers_->run(count, pieces, call, context);
}

}  // namespace subgraft
