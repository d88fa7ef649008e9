#include "opencl/context.h"

#include <unistd.h>

#include <utility>

#include "core/errors.h"

namespace subgraft::opencl {
namespace {

void release_queue(const Library& library, void* raw) {
  if (library.release_queue) library.release_queue(static_cast<abi::queue*>(raw));
}

void release_context(const Library& library, void* raw) {
  if (library.release_context) library.release_context(static_cast<abi::context*>(raw));
}

}  // namespace

std::shared_ptr<Context> Context::share(std::shared_ptr<const Library> library, abi::context* context,
                                        abi::device* device) {
  if (context == nullptr || device == nullptr) throw ArgumentError("an OpenCL context and device cannot be null");
  if (!library->finish) throw_missing(library->finish.name());  // without it nothing could be waited for
  call(library->retain_context, context);
  std::shared_ptr<Context> made(new Context(std::move(library), context, device));  // releases what was retained
  made->queue_ = made->create_queue(0);
  return made;
}

Context::Context(std::shared_ptr<const Library> library, abi::context* context, abi::device* device)
    : library_(std::move(library)), context_(context), device_(device), process_(getpid()) {}

Context::~Context() {
  if (is_of_this_process() && !is_released_) release(take_all());
}

bool Context::is_of_this_process() const { return getpid() == process_; }

abi::queue* Context::create_queue(abi::bits properties) const {
  if (library_->create_queue || !library_->create_queue_with_properties)
    return make(library_->create_queue, context_, device_, properties);
  const abi::bits list[] = {abi::kQueueProperties, properties, 0};
  return make(library_->create_queue_with_properties, context_, device_, static_cast<const abi::bits*>(list));
}

abi::queue* Context::profiling_queue() {
  {
    std::lock_guard lock(mutex_);
    if (profiling_queue_ != nullptr) return profiling_queue_;
  }
  abi::queue* made = create_queue(abi::kQueueProfilingEnable);
  abi::queue* kept = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (profiling_queue_ == nullptr) profiling_queue_ = std::exchange(made, nullptr);
    kept = profiling_queue_;
  }
  if (made != nullptr) release({{made, release_queue}});  // another thread was first
  return kept;
}

Context::Use::Use(Context& context) : context_(context) {
  if (!context.is_of_this_process())
    throw Error(kForked, "fork", "this OpenCL context was made before the process forked; the child must make its own");
  std::lock_guard lock(context.mutex_);
  if (context.is_closed_) throw Error(kClosed, "close", "this OpenCL context was closed");
  ++context.users_;
}

Context::Use::~Use() {
  Objects ended;
  {
    std::lock_guard lock(context_.mutex_);
    if (--context_.users_ != 0) return;
    ended = context_.is_closed_ ? context_.take_all() : std::exchange(context_.dropped_, {});
  }
  context_.release(ended);
}

void Context::close() {
  if (!is_of_this_process()) return;
  Objects ended;
  {
    std::lock_guard lock(mutex_);
    is_closed_ = true;
    if (users_ != 0 || is_released_) return;
    ended = take_all();
  }
  release(ended);
}

void Context::finish() {
  const Use use(*this);
  call(library_->finish, queue_);
  abi::queue* profiling = nullptr;
  {
    std::lock_guard lock(mutex_);
    profiling = profiling_queue_;
  }
  if (profiling != nullptr) call(library_->finish, profiling);
}

Context::Objects::iterator Context::keep(Object object) {
  std::lock_guard lock(mutex_);
  return objects_.insert(objects_.end(), object);
}

void Context::drop(Objects::iterator place) {
  if (!is_of_this_process()) return;
  Objects ended;
  {
    std::lock_guard lock(mutex_);
    Objects& to = users_ == 0 ? ended : dropped_;
    to.splice(to.end(), objects_, place);
  }
  release(ended);
}

// Kernels before their programs, queues and the context last. What is still somebody's keeps its place.
Context::Objects Context::take_all() {
  Objects all = std::exchange(dropped_, {});
  for (Object& object : objects_) all.push_front(std::exchange(object, {nullptr, object.release}));
  for (abi::queue* queue : {std::exchange(queue_, nullptr), std::exchange(profiling_queue_, nullptr)})
    all.push_back({queue, release_queue});
  all.push_back({context_, release_context});
  is_released_ = true;
  return all;
}

void Context::release(const Objects& objects) const {
  for (const Object& object : objects)
    if (object.raw != nullptr) object.release(*library_, object.raw);
}

}  // namespace subgraft::opencl
