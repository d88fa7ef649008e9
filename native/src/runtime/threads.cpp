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

// Work is divided into more pieces than there are threads: who is done takes what others have not begun, so that a
// worker that sleeps, or that the system stops, holds up nobody. A pool of more than one thread counts as so many for
// its callers.
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

// The pieces of one job at a time. Each thread begins with a share of its own, the same part of the work in every job,
// because what the last job left in its core's cache is most likely what this part of the next one reads. Who is done
// takes from the far end of the others' shares. A share says which job it is of: who takes from it works on that job,
// because a job is not over before all of its pieces are done; who comes too late takes nothing, and touches nothing.
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
  // Pieces [first, last) of a job, in one word.
  static constexpr int kPieceBits = 16;
  static constexpr int kMostPieces = (1 << kPieceBits) - 1;
  struct Share {
    uint64_t job, first, last;

    Share(uint64_t job, uint64_t first, uint64_t last) : job(job), first(first), last(last) {}
    explicit Share(uint64_t word)
        : Share(word >> 2 * kPieceBits, word >> kPieceBits & kMostPieces, word & kMostPieces) {}
    uint64_t word() const { return job << 2 * kPieceBits | first << kPieceBits | last; }
    uint64_t size() const { return last - first; }
  };
  // Each on cache lines of its own: what one thread writes in vain reads of another cost more than the work.
  static constexpr size_t kCacheLine = 64;
  struct Place {
    alignas(kCacheLine) std::atomic<uint64_t> share{0};
    std::atomic<bool> is_asleep{false};
    alignas(kCacheLine) std::atomic<uint64_t> done{0};  // pieces, in all jobs; only its thread writes it
    std::condition_variable wake;
  };

  // Half of what is left in a share, and at least a piece: from its beginning for its owner, from its end for others.
  // False where nothing is left.
  bool take(int place, bool is_owner, int64_t& first, int64_t& last);
  // Works on its own share, then on others', until nothing is left.
  void work(int thread);
  void work_until_closed(int thread);
  void wake_up(Place& place);
  bool has_work(int thread) const { return Share(places_[thread].share.load(std::memory_order_seq_cst)).size() > 0; }
  // Whether there is work for this worker before it is time to sleep.
  bool look(int thread) const;
  uint64_t all_done() const;

  const int usable_;
  const std::unique_ptr<Place[]> places_;  // the caller's first
  std::atomic<bool> closed_{false};
  std::mutex mutex_;  // of those who sleep
  std::vector<std::thread> threads_;

  uint64_t job_ = 0;
  uint64_t begun_ = 0;  // pieces, in all jobs
  int64_t count_ = 0;
  int64_t pieces_ = 0;
  Call call_ = nullptr;
  void* context_ = nullptr;
};

ThreadPool::Workers::Workers(int threads)
    : usable_(std::min(threads, available_cpus())), places_(std::make_unique<Place[]>(static_cast<size_t>(usable_))) {
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
  for (int i = 1; i < usable_; ++i) places_[i].wake.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::Workers::run(int64_t count, int pieces, int threads, Call call, void* context) {
  count_ = count;
  pieces_ = std::min(pieces, kMostPieces);
  call_ = call;
  context_ = context;
  ++job_;
  begun_ += static_cast<uint64_t>(pieces_);
  const int64_t working = std::min<int64_t>(threads, pieces_);
  for (int64_t i = working - 1; i >= 0; --i) {
    const auto first = static_cast<uint64_t>(pieces_ * i / working),
               last = static_cast<uint64_t>(pieces_ * (i + 1) / working);
    places_[i].share.store(Share(job_, first, last).word(), std::memory_order_seq_cst);
    if (places_[i].is_asleep.load(std::memory_order_seq_cst)) wake_up(places_[i]);
  }
  work(0);
  while (all_done() < begun_) {
    for (int i = 0; i < kSpins && all_done() < begun_; ++i) relax();
    if (all_done() < begun_) std::this_thread::yield();
  }
}

uint64_t ThreadPool::Workers::all_done() const {
  uint64_t done = 0;
  for (int i = 0; i < usable_; ++i) done += places_[i].done.load(std::memory_order_acquire);
  return done;
}

bool ThreadPool::Workers::take(int place, bool is_owner, int64_t& first, int64_t& last) {
  std::atomic<uint64_t>& shared = places_[place].share;
  uint64_t word = shared.load(std::memory_order_acquire);
  for (;;) {
    const Share share(word);
    if (share.size() == 0) return false;
    const uint64_t taken = (share.size() + 1) / 2;
    const Share left = is_owner ? Share(share.job, share.first + taken, share.last)
                                : Share(share.job, share.first, share.last - taken);
    if (!shared.compare_exchange_weak(word, left.word(), std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    first = static_cast<int64_t>(is_owner ? share.first : left.last);
    last = static_cast<int64_t>(is_owner ? left.first : share.last);
    return true;
  }
}

void ThreadPool::Workers::work(int thread) {
  std::atomic<uint64_t>& done = places_[thread].done;
  for (int i = 0; i < usable_; ++i) {
    const int place = (thread + i) % usable_;
    for (int64_t first, last; take(place, i == 0, first, last);) {
      call_(context_, count_ * first / pieces_, count_ * last / pieces_);
      done.store(done.load(std::memory_order_relaxed) + static_cast<uint64_t>(last - first), std::memory_order_release);
    }
  }
}

bool ThreadPool::Workers::look(int thread) const {
  const auto until = std::chrono::steady_clock::now() + kLook;
  do {
    for (int i = 0; i < kLooksPerClock; ++i) {
      if (has_work(thread)) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < until && !closed_.load(std::memory_order_relaxed));
  return false;
}

// Once for a sleeper: until it is awake, it counts as such.
void ThreadPool::Workers::wake_up(Place& place) {
  if (!place.is_asleep.exchange(false, std::memory_order_relaxed)) return;
  {
    std::lock_guard lock(mutex_);
  }  // who is about to sleep has looked before, or waits now
  place.wake.notify_one();
}

void ThreadPool::Workers::work_until_closed(int thread) {
  Place& place = places_[thread];
  for (;;) {
    if (look(thread)) {
      work(thread);
      continue;
    }
    std::unique_lock lock(mutex_);
    place.is_asleep.store(true, std::memory_order_seq_cst);
    while (!closed_ && !has_work(thread) && place.is_asleep.load(std::memory_order_relaxed)) place.wake.wait(lock);
    place.is_asleep.store(false, std::memory_order_relaxed);
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
