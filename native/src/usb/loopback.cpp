#include "usb/loopback.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "core/errors.h"

namespace subgraft::usb {
namespace {

constexpr std::chrono::milliseconds kCommandTimeout{5000};  // claim, release, clear_halt, reset
constexpr std::chrono::milliseconds kCancelPatience{1000};  // for the player's last word on a cancelled request

constexpr const char* kKindNames[] = {"control",    "bulk",  "interrupt", "claim", "release",
                                      "clear_halt", "reset", "cancel",    "close"};
static_assert(std::size(kKindNames) == static_cast<std::size_t>(Urb::Kind::close) + 1);

std::shared_ptr<const std::byte[]> copy_of(const std::byte* data, std::size_t size) {
  std::shared_ptr<std::byte[]> copy(new std::byte[size]);
  if (size != 0) std::memcpy(copy.get(), data, size);
  return copy;
}

}  // namespace

const char* name_of(Urb::Kind kind) { return kKindNames[static_cast<std::size_t>(kind)]; }

Loopback::~Loopback() { close(); }

// ---- the user's side

std::size_t Loopback::control(std::uint8_t request_type, std::uint8_t request, std::uint16_t value, std::uint16_t index,
                              std::byte* data, std::size_t size, std::chrono::milliseconds timeout) {
  const std::string what = describe_control(request_type, request, value, index, size);
  if (size > 0xFFFF) throw Error(Status::invalid, what + ": a control transfer moves at most 65535 bytes");
  Urb urb{.kind = Urb::Kind::control, .endpoint = static_cast<std::uint8_t>(request_type & 0x80), .size = size};
  const std::uint16_t fields[] = {value, index, static_cast<std::uint16_t>(size)};
  urb.setup = {request_type, request};
  for (std::size_t i = 0; i < 3; ++i) {
    urb.setup[2 + 2 * i] = static_cast<std::uint8_t>(fields[i]);
    urb.setup[3 + 2 * i] = static_cast<std::uint8_t>(fields[i] >> 8);
  }
  if (!urb.is_in()) urb.data = copy_of(data, size);
  return ask(std::move(urb), data, timeout, what);
}

void Loopback::claim(int interface) {
  command(Urb::Kind::claim, 0, interface, concat("claiming interface ", interface));
}

void Loopback::release(int interface) {
  command(Urb::Kind::release, 0, interface, concat("releasing interface ", interface));
}

void Loopback::clear_halt(std::uint8_t endpoint) {
  command(Urb::Kind::clear_halt, endpoint, 0, concat("clearing the halt of endpoint ", static_cast<int>(endpoint)));
}

void Loopback::reset() { command(Urb::Kind::reset, 0, 0, "resetting the port"); }

void Loopback::command(Urb::Kind kind, std::uint8_t endpoint, int interface, const std::string& what) {
  ask({.kind = kind, .endpoint = endpoint, .interface = interface}, nullptr, kCommandTimeout, what);
}

std::size_t Loopback::ask(Urb urb, std::byte* buffer, std::chrono::milliseconds timeout, const std::string& what) {
  if (timeout.count() <= 0) throw Error(Status::invalid, what + ": needs a time limit");
  urb.timeout = timeout;
  std::unique_lock lock(mutex_);
  refuse_if_gone(what);
  Call call{.buffer = buffer};
  const std::uint64_t id = enqueue(std::move(urb), nullptr, &call);
  if (!answered_.wait_for(lock, timeout, [&] { return call.is_done; })) {
    const auto entry = requests_.find(id);
    withdraw(id, entry->second);
    requests_.erase(entry);
    throw Error(Status::timed_out, concat(what, ": no answer within ", timeout.count(), " ms"));
  }
  if (call.status != Status::completed) throw Error(call.status, concat(what, ": ", name_of(call.status)));
  return call.actual;
}

void Loopback::submit(Transfer& transfer) {
  Urb urb{.kind = transfer.is_interrupt ? Urb::Kind::interrupt : Urb::Kind::bulk,
          .endpoint = transfer.endpoint,
          .size = transfer.size};
  if (!urb.is_in()) urb.data = copy_of(transfer.buffer, transfer.size);
  std::unique_lock lock(mutex_);
  if (is_closed_ || is_unplugged_)
    refuse_if_gone(concat("a transfer on endpoint ", static_cast<int>(transfer.endpoint)));
  transfer.actual = 0;
  transfer.is_pending = true;
  ++transfers_;
  enqueue(std::move(urb), &transfer, nullptr);
}

void Loopback::cancel(Transfer& transfer) {
  std::unique_lock lock(mutex_);
  const auto entry = std::find_if(requests_.begin(), requests_.end(),
                                  [&](const auto& item) { return item.second.transfer == &transfer; });
  if (entry == requests_.end() || entry->second.gives_up) return;
  withdraw(entry->first, entry->second);
  if (!entry->second.is_taken) return finish(entry, Status::cancelled, 0);
  entry->second.gives_up = Clock::now() + kCancelPatience;
}

bool Loopback::wait(Clock::time_point until) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto now = Clock::now();
    const auto next_give_up = give_up_cancelled(now);
    if (!finished_.empty()) return run_callbacks(lock);
    if (transfers_ == 0 || now >= until) return false;
    answered_.wait_until(lock, std::min(until, next_give_up));
  }
}

void Loopback::close() {
  std::unique_lock lock(mutex_);
  if (std::exchange(is_closed_, true)) return;
  finish_all(Status::cancelled);
  run_callbacks(lock);
  lock.lock();
  answered_.wait_for(lock, farewell_, [&] { return has_said_farewell_; });
}

// ---- the player's side

std::optional<Urb> Loopback::take(Clock::time_point until) {
  std::unique_lock lock(mutex_);
  asked_.wait_until(lock, until, [&] { return !queue_.empty() || is_closed_ || is_unplugged_; });
  if (is_closed_ || is_unplugged_) return Urb{};
  if (queue_.empty()) return std::nullopt;
  Urb urb = std::move(queue_.front());
  queue_.pop_front();
  if (urb.kind != Urb::Kind::cancel) requests_.at(urb.id).is_taken = true;
  return urb;
}

bool Loopback::complete(std::uint64_t id, Status status, const std::byte* data, std::optional<std::size_t> size) {
  std::unique_lock lock(mutex_);
  const auto entry = requests_.find(id);
  if (entry == requests_.end()) return false;
  const Request& request = entry->second;
  if (!request.is_in) {
    const std::size_t taken = size.value_or(status == Status::completed ? request.size : 0);
    if (taken > request.size || data != nullptr)
      throw Error(Status::invalid, concat("request ", id, " sent ", request.size, " bytes and expects none back"));
    finish(entry, status, taken);
    return true;
  }
  const std::size_t sent = size.value_or(0);
  if (sent != 0 && data == nullptr) throw Error(Status::invalid, concat("request ", id, " expects bytes, not a count"));
  const std::size_t actual = std::min(sent, request.size);
  std::byte* buffer = request.transfer != nullptr ? request.transfer->buffer : request.call->buffer;
  if (actual != 0) std::memcpy(buffer, data, actual);
  finish(entry, sent > request.size ? Status::overflow : status, actual);
  return true;
}

bool Loopback::is_over() {
  std::unique_lock lock(mutex_);
  return is_closed_ || is_unplugged_;
}

bool Loopback::is_wanted(std::uint64_t id) {
  std::unique_lock lock(mutex_);
  const auto entry = requests_.find(id);
  return entry != requests_.end() && !entry->second.gives_up;
}

void Loopback::unplug() {
  std::unique_lock lock(mutex_);
  is_unplugged_ = true;
  finish_all(Status::no_device);
}

void Loopback::farewell() {
  std::unique_lock lock(mutex_);
  has_said_farewell_ = true;
  answered_.notify_all();
}

// ---- both; the mutex is held

void Loopback::refuse_if_gone(const std::string& what) const {
  if (is_closed_) throw Error(Status::no_device, what + ": the device is closed");
  if (is_unplugged_) throw Error(Status::no_device, what + ": the device is gone");
}

std::uint64_t Loopback::enqueue(Urb urb, Transfer* transfer, Call* call) {
  urb.id = next_id_++;
  requests_.emplace(urb.id, Request{.is_in = urb.is_in(), .size = urb.size, .transfer = transfer, .call = call});
  queue_.push_back(std::move(urb));
  asked_.notify_one();
  return queue_.back().id;
}

// From the queue if the player has not seen it; else the player is told.
void Loopback::withdraw(std::uint64_t id, const Request& request) {
  if (!request.is_taken) {
    std::erase_if(queue_, [&](const Urb& urb) { return urb.id == id; });
    return;
  }
  queue_.push_back({.id = id, .kind = Urb::Kind::cancel});
  asked_.notify_one();
}

void Loopback::finish(std::map<std::uint64_t, Request>::iterator entry, Status status, std::size_t actual) {
  const Request request = entry->second;
  requests_.erase(entry);
  if (request.transfer != nullptr) {
    --transfers_;
    finished_.push_back({request.transfer, status, actual});
  } else {
    request.call->status = status;
    request.call->actual = actual;
    request.call->is_done = true;
  }
  answered_.notify_all();
}

void Loopback::finish_all(Status status) {
  while (!requests_.empty()) finish(requests_.begin(), status, 0);
  queue_.clear();
  asked_.notify_all();
}

// Returns when the next one is due.
Clock::time_point Loopback::give_up_cancelled(Clock::time_point now) {
  auto next = Clock::time_point::max();
  for (auto entry = requests_.begin(); entry != requests_.end();) {
    const auto here = entry++;
    if (!here->second.gives_up) continue;
    if (*here->second.gives_up > now)
      next = std::min(next, *here->second.gives_up);
    else
      finish(here, Status::cancelled, 0);
  }
  return next;
}

// Without the lock, because a callback may submit again.
bool Loopback::run_callbacks(std::unique_lock<std::mutex>& lock) {
  const std::vector<Finished> batch = std::exchange(finished_, {});
  lock.unlock();
  for (const Finished& finished : batch) {
    finished.transfer->status = finished.status;
    finished.transfer->actual = finished.actual;
    finished.transfer->is_pending = false;
    if (finished.transfer->done != nullptr) finished.transfer->done(*finished.transfer, finished.transfer->context);
  }
  return !batch.empty();
}

}  // namespace subgraft::usb
