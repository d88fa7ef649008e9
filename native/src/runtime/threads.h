// A small pool of threads for the kernels of one session.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace subgraft {

class ThreadPool {
 public:
  // Workers start with the first parallel call that has work for them. Where they are missing (in a forked child) or
  // taken (by another thread, or by the work that calls), the caller does all the work.
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
  class Workers;
  void fork_join(int64_t count, int pieces, Call call, void* context);

  const int size_;
  const int forks_;  // how often this process had been forked into when the pool was made
  std::atomic<bool> taken_{false};
  std::unique_ptr<Workers> workers_;
};

}  // namespace subgraft
