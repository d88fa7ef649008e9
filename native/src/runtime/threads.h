// A small pool of threads for the kernels of one session.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace subgraft {

class ThreadPool {
 public:
  // Workers start with the first parallel call that has work for them. In a forked child, where they are missing, the
  // caller does all the work.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return size_; }

  // Calls work(begin, end) on pieces of [0, count) of at least `grain` elements; returns when all are done.
  template <typename Work>
  void parallel(int64_t count, int64_t grain, Work&& work) {
    const int64_t pieces = grain > 0 ? count / grain : count;
    if (size_ == 1 || pieces < 2) {
      if (count > 0) work(int64_t{0}, count);
      return;
    }
    auto call = [](void* context, int64_t begin, int64_t end) {
      (*static_cast<std::remove_reference_t<Work>*>(context))(begin, end);
    };
    fork_join(count, static_cast<int>(pieces < size_ ? pieces : size_), call, &work);
  }

 private:
  using Call = void (*)(void* context, int64_t begin, int64_t end);
  void fork_join(int64_t count, int pieces, Call call, void* context);
  void run_piece(int piece) const;
  void work_until_closed(int worker);
  void start();

  const int size_;
  const int forks_;  // how often this process had been forked into when the pool was made
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> round_{0};
  std::atomic<int> unfinished_{0};
  bool closed_ = false;

  int64_t count_ = 0;
  int pieces_ = 0;
  Call call_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace subgraft
