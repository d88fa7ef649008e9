#include "opencl/commands.h"

#include <algorithm>
#include <utility>

#include "core/errors.h"

namespace subgraft::opencl {
namespace {

constexpr double kSecondsPerTick = 1e-9;  // OpenCL 1.2, 5.12: event times are in nanoseconds

void check_sizes(const LaunchRequest& request) {
  const auto& global = request.global_size;
  const auto& local = request.local_size;
  const auto say = [&](const auto&... parts) {
    throw ArgumentError(concat("the launch of kernel \"", request.kernel, "\" ", parts...));
  };
  if (global.empty() || global.size() > kMostDimensions) say("has ", global.size(), " dimensions instead of 1 to 3");
  if (!local.empty() && local.size() != global.size())
    say("has a global size of ", global.size(), " dimensions and a local one of ", local.size());
  for (std::size_t i = 0; i < global.size(); ++i) {
    if (global[i] == 0) say("has no work items: its global size is 0 in dimension ", i);
    if (!local.empty() && (local[i] == 0 || global[i] % local[i] != 0))
      say("has a global size of ", global[i], " in dimension ", i, ", which is no multiple of its local size of ",
          local[i]);
  }
}

// The events of one profiled run, which are released however that ends.
class Events {
 public:
  Events(const Library& library, std::size_t count) : library_(library), events_(count) {}
  ~Events() { release(); }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  abi::event** data() { return events_.data(); }
  double seconds(std::size_t i) const {
    const std::uint64_t start = time(i, abi::kProfilingCommandStart);
    const std::uint64_t end = time(i, abi::kProfilingCommandEnd);
    return end > start ? static_cast<double>(end - start) * kSecondsPerTick : 0;
  }
  void release() {
    for (abi::event*& event : events_)
      if (abi::event* const last = std::exchange(event, nullptr); last != nullptr && library_.release_event)
        library_.release_event(last);
  }

 private:
  std::uint64_t time(std::size_t i, abi::info which) const {
    if (events_[i] == nullptr) throw_no_answer(library_.launch.name());
    std::uint64_t ticks = 0;
    call(library_.get_event_profiling_info, events_[i], which, sizeof ticks, static_cast<void*>(&ticks), nullptr);
    return ticks;
  }

  const Library& library_;
  std::vector<abi::event*> events_;
};

}  // namespace

class Commands::Busy {
 public:
  explicit Busy(std::atomic<bool>& flag) : flag_(flag) {
    if (flag.exchange(true)) throw Error(kBusy, "run", "this OpenCL command list is in use by another thread");
  }
  ~Busy() { flag_ = false; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  std::atomic<bool>& flag_;
};

Commands::Commands(std::shared_ptr<Context> context, std::size_t flush_every)
    : context_(std::move(context)), flush_every_(flush_every) {}

void Commands::launch(const LaunchRequest& request) {
  check_sizes(request);
  if (&request.program->context() != context_.get())
    throw ArgumentError(concat("the program of kernel \"", request.kernel, "\" belongs to another context"));
  const Busy busy(is_busy_);
  const Context::Use use(*context_);
  const Library& library = context_->library();
  Held<abi::kernel> kernel(context_, make(library.create_kernel, request.program->raw(), request.kernel.c_str()));
  set_arguments(kernel.raw(), request);
  check_group(request, kernel.raw());

  Launch launch{.kernel = kernel.raw(),
                .dimensions = static_cast<std::uint32_t>(request.global_size.size()),
                .has_local_size = !request.local_size.empty(),
                .global_size = {},
                .local_size = {}};
  std::copy(request.global_size.begin(), request.global_size.end(), launch.global_size.begin());
  std::copy(request.local_size.begin(), request.local_size.end(), launch.local_size.begin());
  for (const Argument& argument : request.arguments)
    if (const auto* buffer = std::get_if<std::shared_ptr<Buffer>>(&argument)) buffers_.push_back(*buffer);
  if (programs_.empty() || programs_.back() != request.program) programs_.push_back(request.program);
  kernels_.push_back(std::move(kernel));
  launches_.push_back(launch);
}

void Commands::set_arguments(abi::kernel* kernel, const LaunchRequest& request) const {
  const Library& library = context_->library();
  std::uint32_t wanted = 0;
  call(library.get_kernel_info, kernel, abi::kKernelNumArgs, sizeof wanted, static_cast<void*>(&wanted), nullptr);
  if (wanted != request.arguments.size())
    throw ArgumentError(
        concat("kernel \"", request.kernel, "\" takes ", wanted, " arguments, not ", request.arguments.size()));
  std::uint32_t index = 0;
  const auto set = [&](std::size_t size, const void* value) {
    try {
      call(library.set_kernel_arg, kernel, index, size, value);
    } catch (const Error& error) {
      throw Error(error.code, error.call, concat(error.what(), ": argument ", index, " of \"", request.kernel, "\""));
    }
    ++index;
  };
  for (const Argument& argument : request.arguments) {
    if (const auto* buffer = std::get_if<std::shared_ptr<Buffer>>(&argument)) {
      if (&(*buffer)->context() != context_.get())
        throw ArgumentError(concat("argument ", index, " of kernel \"", request.kernel, "\" is of another context"));
      abi::memory* const raw = (*buffer)->raw();
      set(sizeof raw, &raw);
    } else if (const auto* integer = std::get_if<std::int32_t>(&argument)) {
      set(sizeof *integer, integer);
    } else {
      set(sizeof(float), &std::get<float>(argument));
    }
  }
}

// Found here instead of in the first run: a kernel that needs many registers takes smaller groups than the device.
void Commands::check_group(const LaunchRequest& request, abi::kernel* kernel) const {
  if (request.local_size.empty()) return;
  std::size_t items = 1;
  for (const std::size_t size : request.local_size)
    if (__builtin_mul_overflow(items, size, &items)) throw ArgumentError("a work-group cannot be that large");
  const std::size_t limit = work_group_limit(*context_, kernel);
  if (items > limit)
    throw Error("INVALID_WORK_GROUP_SIZE", context_->library().get_kernel_work_group_info.name(),
                concat("kernel \"", request.kernel, "\" takes groups of at most ", limit,
                       " work items on this device, not ", items));
}

void Commands::check_transfer(const Transfer& transfer) const {
  if (&transfer.buffer->context() != context_.get()) throw ArgumentError("the buffer belongs to another context");
  transfer.buffer->check_range(transfer.size, transfer.offset);
}

void Commands::input(Transfer transfer) {
  check_transfer(transfer);
  const Busy busy(is_busy_);
  inputs_.push_back(std::move(transfer));
}

void Commands::output(Transfer transfer) {
  check_transfer(transfer);
  const Busy busy(is_busy_);
  outputs_.push_back(std::move(transfer));
}

void Commands::run(const void* const* inputs, void* const* outputs) {
  const Busy busy(is_busy_);
  const Context::Use use(*context_);
  abi::queue* const queue = context_->queue();
  context_->complete(queue, [&] { enqueue(queue, inputs, outputs, nullptr); });
}

std::vector<double> Commands::profile(const void* const* inputs, void* const* outputs, int runs) {
  if (runs < 1) throw ArgumentError(concat("runs must be at least 1, not ", runs));
  const Busy busy(is_busy_);
  const Context::Use use(*context_);
  abi::queue* const queue = context_->profiling_queue();
  std::vector<double> seconds(launches_.size());
  Events events(context_->library(), launches_.size());
  for (int run = 0; run < runs; ++run) {
    context_->complete(queue, [&] { enqueue(queue, inputs, outputs, events.data()); });
    for (std::size_t i = 0; i < seconds.size(); ++i) seconds[i] += events.seconds(i) / runs;
    events.release();
  }
  return seconds;
}

void Commands::enqueue(abi::queue* queue, const void* const* inputs, void* const* outputs, abi::event** events) const {
  const Library& library = context_->library();
  for (std::size_t i = 0; i < inputs_.size(); ++i)
    if (const Transfer& one = inputs_[i]; one.size != 0) one.buffer->send(queue, inputs[i], one.size, one.offset);
  std::size_t unflushed = 0;
  for (std::size_t i = 0; i < launches_.size(); ++i) {
    const Launch& one = launches_[i];
    call(library.launch, queue, one.kernel, one.dimensions, nullptr, one.global_size.data(),
         one.has_local_size ? one.local_size.data() : nullptr, 0U, nullptr, events != nullptr ? events + i : nullptr);
    if (flush_every_ == 0 || ++unflushed != flush_every_) continue;
    call(library.flush, queue);
    unflushed = 0;
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i)
    if (const Transfer& one = outputs_[i]; one.size != 0) one.buffer->receive(queue, outputs[i], one.size, one.offset);
}

}  // namespace subgraft::opencl
