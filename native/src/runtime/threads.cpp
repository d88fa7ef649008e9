#include "runtime/threads.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "core/available_cpus.h"
#include "runtime/running_program.h"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace subgraft {
namespace {

// Work is divided into more pieces than there are threads: who is done takes the next one, so that a worker that
// sleeps, or that the system stops, holds up nobody. A pool of more than one thread counts as so many for its callers.
constexpr int kPiecesPerThread = 4;

// How long a worker looks for more before it sleeps. Waking a sleeper takes some 50 us, a layer often less; the next
// layer with enough work for two threads is rarely further away than this.
constexpr std::chrono::microseconds kLook{200};
constexpr int kLooksPerClock = 32;  // between two readings of the clock

// How long a caller looks for its workers' last pieces before it lets others have the CPU, which a worker may need.
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

std::atomic<int> running_programs{0};

int count_forks() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] {
    ++forks_into_here;
    running_programs = 0;  // their threads are the parent's
  });
  (void)registered;
  return forks_into_here;
}

}  // namespace

RunningProgram::RunningProgram() { running_programs.fetch_add(1, std::memory_order_relaxed); }
RunningProgram::~RunningProgram() { running_programs.fetch_sub(1, std::memory_order_relaxed); }

// The pieces of one job at a time. Who takes a piece, by moving the ticket on, works on the job that the ticket is of,
// because a job is not over before all of its pieces are done; who comes too late finds no piece, and touches nothing.
class ThreadPool::Workers {
 public:
  // Threads beyond the CPUs that the process may use do not help, and are not started.
  explicit Workers(int threads);
  ~Workers();
  // How many may work now, the caller among them.
  int usable() const;
  // The caller works too. At most `threads` work.
  void run(int64_t count, int pieces, int threads, Call call, void* context);

 private:
  // Job number, pieces and next piece of the ticket.
  static constexpr int kPieceBits = 16;
  static constexpr uint64_t kPieceMask = (uint64_t{1} << kPieceBits) - 1;
  static constexpr int most_pieces() { return static_cast<int>(kPieceMask); }
  static uint64_t next_of(uint64_t ticket) { return ticket & kPieceMask; }
  static uint64_t pieces_of(uint64_t ticket) { return ticket >> kPieceBits & kPieceMask; }
  static bool has_pieces(uint64_t ticket) { return next_of(ticket) < pieces_of(ticket); }

  void run_piece(uint64_t piece) const {
    const auto i = static_cast<int64_t>(piece);
    call_(context_, count_ * i / pieces_, count_ * (i + 1) / pieces_);
  }
  // Takes pieces until there are none.
  void work();
  void work_until_closed(int worker);
  // Whether there is work for this worker before it is time to sleep.
  bool look(int worker) const;
  bool has_work(int worker) const {
    // The ticket first: who sees a job's ticket sees whom it invites.
    return has_pieces(ticket_.load(std::memory_order_seq_cst)) && worker < invited_.load(std::memory_order_relaxed);
  }

  std::atomic<uint64_t> ticket_{0};
  std::atomic<int> done_{0};     // pieces
  std::atomic<int> invited_{0};  // threads, the caller being number 0
  std::atomic<int> sleepers_{0};
  std::atomic<bool> closed_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  const int usable_;
  std::vector<std::thread> threads_;

  int64_t count_ = 0;
  int64_t pieces_ = 0;
  Call call_ = nullptr;
  void* context_ = nullptr;
};

ThreadPool::Workers::Workers(int threads) : usable_(std::min(threads, available_cpus())) {
  threads_.reserve(static_cast<size_t>(usable_));
  try {
    for (int i = 1; i < usable_; ++i) threads_.emplace_back([this, i] { work_until_closed(i); });
  } catch (const std::system_error&) {
    // The system gives no more threads: those that are there share the work.
  }
}

int ThreadPool::Workers::usable() const {
  return usable_ / std::max(1, running_programs.load(std::memory_order_relaxed));
}

ThreadPool::Workers::~Workers() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::Workers::run(int64_t count, int pieces, int threads, Call call, void* context) {
  count_ = count;
  pieces_ = std::min(pieces, most_pieces());
  call_ = call;
  context_ = context;
  done_.store(0, std::memory_order_relaxed);
  invited_.store(threads, std::memory_order_relaxed);
  const uint64_t job = (ticket_.load(std::memory_order_relaxed) >> 2 * kPieceBits) + 1;
  ticket_.store(job << 2 * kPieceBits | static_cast<uint64_t>(pieces_) << kPieceBits, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0) {
    {
      std::lock_guard lock(mutex_);
    }  // a worker that is about to sleep has looked before, or will be woken
    wake_.notify_all();
  }
  work();
  while (done_.load(std::memory_order_acquire) < pieces_) {
    for (int i = 0; i < kSpins && done_.load(std::memory_order_acquire) < pieces_; ++i) relax();
    if (done_.load(std::memory_order_acquire) < pieces_) std::this_thread::yield();
  }
}

void ThreadPool::Workers::work() {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (has_pieces(ticket)) {
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    run_piece(next_of(ticket));
    done_.fetch_add(1, std::memory_order_release);
    ticket = ticket_.load(std::memory_order_acquire);
  }
}

bool ThreadPool::Workers::look(int worker) const {
  const auto until = std::chrono::steady_clock::now() + kLook;
  do {
    for (int i = 0; i < kLooksPerClock; ++i) {
      if (has_work(worker)) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < until && !closed_.load(std::memory_order_relaxed));
  return false;
}

void ThreadPool::Workers::work_until_closed(int worker) {
  for (;;) {
    if (look(worker)) {
      work();
      continue;
    }
    std::unique_lock lock(mutex_);
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    wake_.wait(lock, [&] { return closed_ || has_work(worker); });
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
    if (closed_) return;
  }
}

ThreadPool::ThreadPool(int threads) : size_(threads == 1 ? 1 : threads * kPiecesPerThread), forks_(count_forks()) {}

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
  if (!workers_) workers_ = std::make_unique<Workers>(size_ / kPiecesPerThread);
  const int threads = workers_->usable();
  if (threads < 2)
    call(context, 0, count);
  else
    workers_->run(count, pieces, threads, call, context);
}

}  // namespace subgraft
