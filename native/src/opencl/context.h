// A context that somebody else made, with our own queues in it and all that was made there: who may use it, and when
// what is in it is released.
#pragma once

#include <sys/types.h>

#include <list>
#include <memory>
#include <mutex>

#include "opencl/library.h"

namespace subgraft::opencl {

class Context {
 public:
  // Retains the context until it is closed or let go. Throws Error.
  static std::shared_ptr<Context> share(std::shared_ptr<const Library> library, abi::context* context,
                                        abi::device* device);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Held around every use of an object of the context. Throws Error: CLOSED, FORKED. While one lasts nothing is
  // released, for a driver may wait in a release until its queue is empty, which a hanging device never lets it be.
  class Use {
   public:
    explicit Use(Context& context);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Context& context_;
  };

  // Whoever still uses it goes on; the last of them releases all. May be called twice.
  void close();
  // Waits until the queues are empty.
  void finish();

  bool is_of_this_process() const;

  // For the time of a Use.
  const Library& library() const { return *library_; }
  abi::context* raw() const { return context_; }
  abi::device* device() const { return device_; }
  abi::queue* queue() const { return queue_; }
  abi::queue* profiling_queue();  // made when first asked for: some devices hang with one

  // Puts commands into the queue and waits for them, also when putting fails: whatever memory they were given is the
  // caller's again afterwards.
  template <typename Put>
  void complete(abi::queue* queue, Put put) const {
    try {
      put();
      call(library_->finish, queue);
    } catch (...) {
      library_->finish(queue);  // a driver that fails twice will not come back to that memory
      throw;
    }
  }

 private:
  template <typename Raw>
  friend class Held;

  struct Object {
    void* raw;  // null once it is released
    void (*release)(const Library&, void*);
  };
  using Objects = std::list<Object>;

  Context(std::shared_ptr<const Library> library, abi::context* context, abi::device* device);
  abi::queue* create_queue(abi::bits properties) const;
  Objects::iterator keep(Object object);
  void drop(Objects::iterator place);
  Objects take_all();  // with the mutex held
  void release(const Objects& objects) const;

  const std::shared_ptr<const Library> library_;
  abi::context* const context_;
  abi::device* const device_;
  const pid_t process_;

  std::mutex mutex_;  // for all below; never held while the library runs
  abi::queue* queue_ = nullptr;
  abi::queue* profiling_queue_ = nullptr;
  Objects objects_;
  Objects dropped_;  // nobody's any more, to be released when nobody uses the context
  int users_ = 0;
  bool is_closed_ = false;
  bool is_released_ = false;
};

inline void release_raw(const Library& library, abi::program* raw) {
  if (library.release_program) library.release_program(raw);
}
inline void release_raw(const Library& library, abi::kernel* raw) {
  if (library.release_kernel) library.release_kernel(raw);
}
inline void release_raw(const Library& library, abi::memory* raw) {
  if (library.release_memory) library.release_memory(raw);
}

// One program, kernel or buffer. Released once this is gone, or its context is closed.
template <typename Raw>
class Held {
 public:
  Held(std::shared_ptr<Context> context, Raw* raw) : context_(std::move(context)), raw_(raw) {
    place_ = context_->keep(
        {raw, [](const Library& library, void* object) { release_raw(library, static_cast<Raw*>(object)); }});
  }
  ~Held() {
    if (context_) context_->drop(place_);
  }
  Held(Held&& other) noexcept = default;
  Held& operator=(Held&&) = delete;

  Context& context() const { return *context_; }
  const std::shared_ptr<Context>& shared_context() const { return context_; }
  Raw* raw() const { return raw_; }  // for the time of a Use

 private:
  std::shared_ptr<Context> context_;
  Raw* raw_;
  Context::Objects::iterator place_;
};

}  // namespace subgraft::opencl
