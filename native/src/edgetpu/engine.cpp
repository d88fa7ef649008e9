#include "edgetpu/engine.h"

#include <algorithm>
#include <utility>

#include "core/errors.h"

namespace subgraft::edgetpu {
namespace {

// USB's speeds in Mbit/s, and the size of a full bulk packet.
constexpr int kSuperSpeed = 5000;
constexpr std::size_t kSuperSpeedPacket = 1024;
constexpr std::size_t kHighSpeedPacket = 512;
// outfeed_chunk_length as libedgetpu sets it: 0x80 and 0x20 times 8 bytes
// (driver/beagle/beagle_usb_driver_provider.cc).
constexpr std::size_t kSuperSpeedChunk = 1024;
constexpr std::size_t kHighSpeedChunk = 256;
constexpr int kMaxBulkOuts = 64;

constexpr Engine::Ticket kFree = 0;

// Nothing depends on it: another thread's control transfer may tell the end of what this one waits for.
constexpr std::chrono::milliseconds kLongestWait{100};

TransferSizes sizes_for(const usb::Device& device, const EngineOptions& options) {
  const bool is_super = device.speed_mbps() >= kSuperSpeed;
  const std::size_t chunk = is_super ? kSuperSpeedChunk : kHighSpeedChunk;
  return {.max_bulk_out_bytes = options.max_bulk_out_bytes,
          .header_apart = options.header_apart,
          .packet_bytes = is_super ? kSuperSpeedPacket : kHighSpeedPacket,
          .max_posted_bytes = options.max_posted_bytes,
          .chunk_bytes = options.read_chunk_bytes != 0 ? options.read_chunk_bytes : chunk};
}

[[noreturn]] void throw_not_begun() {
  throw Error(Kind::timeout, "the time was up while the device was busy with earlier requests; nothing was sent");
}

}  // namespace

std::shared_ptr<Engine> Engine::open(std::shared_ptr<usb::Device> device, const EngineOptions& options) {
  if (!device) throw ArgumentError("an engine needs a device");
  if (options.max_bulk_out_bytes == 0) throw ArgumentError("max_bulk_out_bytes must be more than 0");
  if (options.bulk_outs < 1 || options.bulk_outs > kMaxBulkOuts)
    throw ArgumentError(concat("bulk_outs must be 1 to ", kMaxBulkOuts, ", not ", options.bulk_outs));
  if (options.max_posted_bytes == 0) throw ArgumentError("max_posted_bytes must be more than 0");
  if (options.drain_timeout.count() < 0) throw ArgumentError("drain_timeout_s must be 0 or more");
  return {new Engine(std::move(device), options), retire};
}

Engine::Engine(std::shared_ptr<usb::Device> device, const EngineOptions& options)
    : device_(std::move(device)),
      options_(options),
      sizes_(sizes_for(*device_, options)),
      endpoints_(*device_, mutex_, options.bulk_outs),
      lanes_{Active{Lane(sizes_)}, Active{Lane(sizes_)}} {}

// What the device may still write to has to stay.
void Engine::retire(Engine* engine) {
  if (engine->drain()) delete engine;
}

Engine::Request* Engine::find(Ticket ticket) {
  const auto found = std::find_if(requests_.begin(), requests_.end(),
                                  [&](const Request& request) { return request.ticket == ticket; });
  return found == requests_.end() ? nullptr : &*found;
}

Engine::Request& Engine::request_of(Ticket ticket) {
  Request* request = ticket != kFree ? find(ticket) : nullptr;
  if (!request) throw ArgumentError(concat("there is no ticket ", ticket, ", or it was waited for"));
  return *request;
}

std::shared_ptr<Engine::Loaded> Engine::load(const std::shared_ptr<const Script>& script, bool twice) {
  std::erase_if(loaded_, [](const std::shared_ptr<Loaded>& loaded) {
    const auto is_in_flight = [](const auto& buffers) { return buffers && buffers->is_in_flight(); };
    return loaded->script.expired() && std::none_of(loaded->buffers.begin(), loaded->buffers.end(), is_in_flight);
  });
  auto found = std::find_if(loaded_.begin(), loaded_.end(),
                            [&](const std::shared_ptr<Loaded>& loaded) { return loaded->script.lock() == script; });
  if (found == loaded_.end()) {
    auto loaded = std::make_shared<Loaded>();
    loaded->script = script;
    loaded->constants = load_constants(*script, *device_);
    found = loaded_.insert(loaded_.end(), std::move(loaded));
  }
  for (std::size_t i = 0; i < (twice ? kLanes : 1); ++i)
    if (!(*found)->buffers[i]) (*found)->buffers[i] = std::make_unique<Buffers>(*script, *device_, sizes_);
  return *found;
}

void Engine::run(const std::shared_ptr<const Script>& script, std::span<const std::byte* const> inputs,
                 std::span<std::byte* const> outputs, std::size_t runs, Clock::time_point until) {
  Lock lock(mutex_);
  look_before_start(lock);
  while (!find(kFree)) {
    if (failure_) fail(lock);
    if (Clock::now() >= until) throw_not_begun();
    turn(lock, until);
  }
  wait(lock, submit(lock, script, inputs, outputs, runs), until);
}

Engine::Ticket Engine::submit(const std::shared_ptr<const Script>& script, std::span<const std::byte* const> inputs,
                              std::span<std::byte* const> outputs, std::size_t runs) {
  Lock lock(mutex_);
  look_before_start(lock);
  return submit(lock, script, inputs, outputs, runs);
}

Engine::Ticket Engine::submit(Lock& lock, const std::shared_ptr<const Script>& script,
                              std::span<const std::byte* const> inputs, std::span<std::byte* const> outputs,
                              std::size_t runs) {
  if (inputs.size() != script->inputs().size() || outputs.size() != script->outputs().size() || runs == 0)
    throw ArgumentError(concat(inputs.size(), " inputs and ", outputs.size(), " outputs for ", runs,
                               " runs of a script of ", script->inputs().size(), " and ", script->outputs().size()));
  Request* free = find(kFree);
  if (!free) throw ArgumentError(concat(kMaxTickets, " tickets were not waited for, and more there are not"));
  Request& request = *free;
  request.loaded = load(script, runs > 1 || !is_idle());
  request.script = script;
  request.inputs.assign(inputs.begin(), inputs.end());
  request.outputs.assign(outputs.begin(), outputs.end());
  request.runs = runs;
  request.started = request.finished = 0;
  request.ticket = next_ticket_++;
  try {
    work();
  } catch (...) {
    break_off(std::current_exception());
    let_go(request);
    fail(lock);
  }
  wake();
  return request.ticket;
}

// What came while no run was in flight would be taken for the next one's: it is heard of here, and looked at before the
// next one starts.
void Engine::look_before_start(Lock& lock) {
  if (failure_) fail(lock);
  try {
    endpoints_.listen();
    if (is_idle()) pump(lock, Clock::now());
  } catch (...) {
    break_off(std::current_exception());
  }
  if (failure_) fail(lock);
}

void Engine::wait(Ticket ticket, Clock::time_point until) {
  Lock lock(mutex_);
  wait(lock, ticket, until);
}

void Engine::wait(Lock& lock, Ticket ticket, Clock::time_point until) {
  while (!failure_ && request_of(ticket).finished < request_of(ticket).runs) {
    turn(lock, until);
    Request& request = request_of(ticket);
    if (!failure_ && request.finished < request.runs && Clock::now() >= until) give_up(lock, request);
  }
  Request& request = request_of(ticket);
  const bool is_finished = request.finished == request.runs;
  let_go(request);
  if (!is_finished) fail(lock);
  wake();
}

void Engine::turn(Lock& lock, Clock::time_point until) {
  try {
    pump(lock, until);
    if (!failure_) work();
  } catch (...) {
    break_off(std::current_exception());
  }
}

// A request that has sent nothing leaves no trace; what is in flight cannot be called back.
void Engine::give_up(Lock& lock, Request& request) {
  for (std::size_t i = 0; i < count_; ++i) {
    if (active(i).request != &request || !active(i).lane.has_begun()) continue;
    break_off(std::make_exception_ptr(Error(Kind::timeout, "the time is up in " + active(i).lane.where())));
    let_go(request);
    fail(lock);
  }
  if (count_ > 0 && active(count_ - 1).request == &request) --count_;
  let_go(request);
  start_runs();
  wake();
  throw_not_begun();
}

void Engine::let_go(Request& request) {
  request.ticket = 0;
  if (failure_) return;  // what could not be cancelled may still be read from
  request.script.reset();
  request.loaded.reset();
}

void Engine::pump(Lock& lock, Clock::time_point until) {
  until = std::min(until, Clock::now() + kLongestWait);
  if (is_pumping_) {
    ++waiting_;
    changed_.wait_until(lock, until);
    --waiting_;
    return;
  }
  is_pumping_ = true;
  lock.unlock();
  std::exception_ptr error;
  try {
    device_->wait(until);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  is_pumping_ = false;
  if (error) std::rethrow_exception(error);
}

void Engine::break_off(std::exception_ptr failure) {
  if (!failure_) {
    failure_ = std::move(failure);
    drained_by_ = Clock::now() + options_.drain_timeout;
  }
  count_ = 0;
}

void Engine::fail(Lock& lock) {
  drain(lock, drained_by_);
  wake();
  std::rethrow_exception(failure_);
}

bool Engine::drain(Lock& lock, Clock::time_point until) {
  endpoints_.cancel_all();
  while (endpoints_.pending() > 0 && Clock::now() < until) {
    try {
      pump(lock, until);
    } catch (const usb::Error&) {
      return false;
    }
  }
  return endpoints_.pending() == 0;
}

bool Engine::drain() {
  Lock lock(mutex_);
  if (!failure_ && (count_ > 0 || next_started_ < next_ticket_))
    break_off(
        std::make_exception_ptr(usb::Error(usb::Status::cancelled, "the engine was told to stop with runs in flight")));
  const bool is_drained = drain(lock, Clock::now() + options_.drain_timeout);
  if (is_drained) endpoints_.forget_cancelled();
  wake();
  return is_drained;
}

bool Engine::needs_recovery() const {
  const std::lock_guard lock(mutex_);
  return failure_ != nullptr;
}

std::uint32_t Engine::interrupts() const {
  const std::lock_guard lock(mutex_);
  return interrupts_;
}

}  // namespace subgraft::edgetpu
