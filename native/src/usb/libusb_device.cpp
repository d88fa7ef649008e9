#include <sys/mman.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <iterator>
#include <utility>

#include "core/errors.h"
#include "usb/libusb.h"

namespace subgraft::usb {
namespace {

constexpr std::chrono::milliseconds kCancelPatience{1000};  // for the kernel to hand a cancelled transfer back
constexpr std::chrono::milliseconds kClosePatience{2000};
constexpr std::chrono::milliseconds kClosePoll{20};
constexpr std::chrono::seconds kLongestPoll{60};
constexpr std::size_t kSetupBytes = 8;
// The kernel lends 16 MB to all USB devices together (usbcore.usbfs_memory_mb), transfers in flight included.
constexpr std::size_t kMostMappedBytes = std::size_t{4} << 20;

void finish(Transfer& transfer, Status status, std::size_t actual) {
  transfer.status = status;
  transfer.actual = actual;
  transfer.is_pending = false;
  if (transfer.done != nullptr) transfer.done(transfer, transfer.context);
}

}  // namespace

// One call under way: close() waits for it. None is admitted after.
struct LibUsbDevice::Visit {
  explicit Visit(LibUsbDevice& device) : device_(device) {
    const std::lock_guard lock(device.mutex_);
    is_admitted = !device.is_closed_;
    if (is_admitted) ++device.visitors_;
  }
  ~Visit() {
    const std::lock_guard lock(device_.mutex_);
    if (is_admitted) --device_.visitors_;
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  void demand() const {
    if (!is_admitted) throw Error(Status::no_device, device_.name_ + ": it is closed");
  }

  LibUsbDevice& device_;
  bool is_admitted;
};

LibUsbDevice::LibUsbDevice(std::shared_ptr<const libusb::Library> library, libusb::context* context,
                           libusb::device_handle* handle, std::string name, int speed_mbps)
    : library_(std::move(library)),
      context_(context),
      handle_(handle),
      name_(std::move(name)),
      speed_mbps_(speed_mbps) {}

LibUsbDevice::~LibUsbDevice() {
  close();
  if (handle_ != nullptr) let_go();  // a thread was inside for too long, and has left since
}

std::size_t LibUsbDevice::control(std::uint8_t request_type, std::uint8_t request, std::uint16_t value,
                                  std::uint16_t index, std::byte* data, std::size_t size,
                                  std::chrono::milliseconds timeout) {
  const Visit visit(*this);
  visit.demand();
  const std::string what = concat(name_, ": ", describe_control(request_type, request, value, index, size));
  if (size > 0xFFFF) throw Error(Status::invalid, what + ": a control transfer moves at most 65535 bytes");
  if (timeout.count() <= 0) throw Error(Status::invalid, what + ": needs a time limit");
  std::vector<unsigned char> buffer(kSetupBytes + size);
  buffer[0] = request_type;
  buffer[1] = request;
  const std::uint16_t fields[] = {value, index, static_cast<std::uint16_t>(size)};
  for (std::size_t i = 0; i < std::size(fields); ++i) {
    buffer[2 + 2 * i] = static_cast<unsigned char>(fields[i]);
    buffer[3 + 2 * i] = static_cast<unsigned char>(fields[i] >> 8);
  }
  const bool is_in = (request_type & 0x80) != 0;
  if (!is_in && size != 0) std::memcpy(buffer.data() + kSetupBytes, data, size);
  Slot& slot = start_control(std::move(buffer), what);
  const std::size_t actual = std::min(move_control(slot, timeout, what), size);
  if (is_in && actual != 0) std::memcpy(data, slot.control_buffer.data() + kSetupBytes, actual);
  const std::lock_guard lock(mutex_);
  slot.state = Slot::State::idle;
  return actual;
}

void LibUsbDevice::cancel_slot(Slot& slot) {
  const std::lock_guard starting(starts_);
  library_->cancel_transfer(slot.raw);
}

LibUsbDevice::Slot& LibUsbDevice::start_control(std::vector<unsigned char> buffer, const std::string& what) {
  const std::lock_guard starting(starts_);
  Slot& slot = take_slot(nullptr);
  slot.control_buffer = std::move(buffer);
  libusb::check(start(slot, 0, libusb::kControl, slot.control_buffer.data(), slot.control_buffer.size()), what);
  return slot;
}

// Bytes moved; the slot is then still the caller's. When it throws, it is not.
std::size_t LibUsbDevice::move_control(Slot& slot, std::chrono::milliseconds timeout, const std::string& what) {
  bool is_late = false;
  try {
    is_late = !comes_back(slot, Clock::now() + timeout);
    if (is_late) {
      cancel_slot(slot);
      comes_back(slot, Clock::now() + kCancelPatience);
    }
  } catch (const Error&) {  // libusb cannot wait
    const std::lock_guard lock(mutex_);
    slot.is_awaited = false;
    if (slot.state == Slot::State::finished) slot.state = Slot::State::idle;
    throw;
  }
  const std::lock_guard lock(mutex_);
  // One that does not even come back from its cancel keeps its slot and its buffer until it does, or for good.
  const bool is_lost = slot.state == Slot::State::in_flight;
  const Status status = is_lost ? Status::cancelled : libusb::status_of(slot.raw->status);
  slot.is_awaited = false;
  if (status == Status::completed) return static_cast<std::size_t>(std::max(0, slot.raw->actual_length));
  if (!is_lost) slot.state = Slot::State::idle;
  if (is_late && status == Status::cancelled)
    throw Error(Status::timed_out, concat(what, ": no answer within ", timeout.count(), " ms"));
  throw Error(status, concat(what, ": ", name_of(status)));
}

// Whether the control transfer came back in time.
bool LibUsbDevice::comes_back(Slot& slot, Clock::time_point until) {
  for (bool looked = false;; looked = true) {
    {
      const std::lock_guard lock(mutex_);
      if (slot.state == Slot::State::finished) return true;
    }
    if (looked && Clock::now() >= until) return false;
    handle_events(until, &slot.is_back);
  }
}

void LibUsbDevice::submit(Transfer& transfer) {
  const Visit visit(*this);
  visit.demand();
  if (transfer.size > INT_MAX) throw Error(Status::invalid, name_ + ": a transfer is too large");
  const std::lock_guard starting(starts_);
  Slot& slot = take_slot(&transfer);
  transfer.actual = 0;
  transfer.is_pending = true;
  const int code = start(slot, transfer.endpoint, transfer.is_interrupt ? libusb::kInterrupt : libusb::kBulk,
                         reinterpret_cast<unsigned char*>(transfer.buffer), transfer.size);
  if (code == libusb::kSuccess) return;
  transfer.is_pending = false;
  libusb::check(code, concat(name_, ": a transfer on endpoint ", static_cast<int>(transfer.endpoint)));
}

void LibUsbDevice::cancel(Transfer& transfer) {
  const Visit visit(*this);
  if (!visit.is_admitted) return;
  const std::lock_guard starting(starts_);  // so that the slot does not become another transfer's
  Slot* found = nullptr;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& slot : slots_)
      if (slot->transfer == &transfer && slot->state == Slot::State::in_flight) found = slot.get();
  }
  // Fails only for what is over, or about to be because the device is gone.
  if (found != nullptr) library_->cancel_transfer(found->raw);
}

bool LibUsbDevice::wait(Clock::time_point until) {
  const Visit visit(*this);
  if (!visit.is_admitted) return false;
  std::unique_lock lock(mutex_);
  for (bool looked = false;; looked = true) {
    if (finished_ != 0) return call_finished(lock);
    if (in_flight_ == 0 || is_closed_ || (looked && Clock::now() >= until)) return false;
    something_is_finished_ = 0;
    lock.unlock();
    handle_events(until, &something_is_finished_);
    lock.lock();
  }
}

void LibUsbDevice::claim(int interface) {
  const Visit visit(*this);
  visit.demand();
  check(library_->claim_interface(handle_, interface), "claiming the interface");
  const std::lock_guard lock(mutex_);
  claimed_.insert(interface);
}

void LibUsbDevice::release(int interface) {
  const Visit visit(*this);
  visit.demand();
  check(library_->release_interface(handle_, interface), "releasing the interface");
  const std::lock_guard lock(mutex_);
  claimed_.erase(interface);
}

void LibUsbDevice::clear_halt(std::uint8_t endpoint) {
  const Visit visit(*this);
  visit.demand();
  check(library_->clear_halt(handle_, endpoint), "clearing the halt of an endpoint");
}

void LibUsbDevice::reset() {
  const Visit visit(*this);
  visit.demand();
  check(library_->reset_device(handle_), "resetting the port");
}

void LibUsbDevice::check(int code, const char* doing) const {
  if (code < 0) libusb::check(code, concat(name_, ": ", doing));
}

void LibUsbDevice::close() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_closed_, true)) return;
  }
  const auto until = Clock::now() + kClosePatience;
  std::unique_lock lock(mutex_);
  while ((in_flight_ != 0 || visitors_ != 0) && Clock::now() < until) {
    lock.unlock();
    cancel_all();
    if (library_->interrupt_event_handler != nullptr) library_->interrupt_event_handler(context_);
    try {
      int nothing = 0;
      handle_events(std::min(until, Clock::now() + kClosePoll), &nothing);
    } catch (const Error&) {
      break;  // libusb cannot even wait any more: what is in flight will not come back
    }
    lock.lock();
  }
  if (!lock.owns_lock()) lock.lock();
  give_up_all(lock);
  if (visitors_ != 0) return;
  lock.unlock();
  let_go();
}

void LibUsbDevice::cancel_all() {
  const std::lock_guard starting(starts_);
  for (const auto& slot : slots_) {
    {
      const std::lock_guard lock(mutex_);
      if (slot->state != Slot::State::in_flight) continue;
    }
    library_->cancel_transfer(slot->raw);
  }
}

// Ends every transfer for its owner, whether or not libusb has handed it back.
void LibUsbDevice::give_up_all(std::unique_lock<std::mutex>& lock) {
  while (finished_ != 0) call_finished(lock);
  std::vector<Transfer*> lost;
  for (const auto& slot : slots_)
    if (slot->state == Slot::State::in_flight && slot->transfer != nullptr)
      lost.push_back(std::exchange(slot->transfer, nullptr));
  lock.unlock();
  for (Transfer* transfer : lost) finish(*transfer, Status::cancelled, 0);
  lock.lock();
}

// Nobody is inside any more. A transfer that is not handed back although it was cancelled may still be reached from
// inside libusb: freeing it would be a use after free, so it leaks, and its context with it. The owner's buffer is
// safe: closing the handle makes the kernel let go of it.
void LibUsbDevice::let_go() {
  for (auto& slot : slots_) {
    if (slot->state == Slot::State::in_flight)
      (void)slot.release();
    else
      library_->free_transfer(slot->raw);
  }
  slots_.clear();
  for (const int interface : claimed_)
    library_->release_interface(handle_, interface);  // fails when the device is gone
  library_->close(std::exchange(handle_, nullptr));
  if (in_flight_ == 0) library_->exit(context_);
}

std::shared_ptr<std::byte> LibUsbDevice::allocate(std::size_t size) {
#ifdef __linux__
  const Visit visit(*this);
  const bool fits = size != 0 && *mapped_bytes_ + size <= kMostMappedBytes;
  if (library_->dev_mem_alloc != nullptr && visit.is_admitted && fits) {
    if (unsigned char* memory = library_->dev_mem_alloc(handle_, size)) {
      *mapped_bytes_ += size;
      // What libusb_dev_mem_free() does on Linux. It wants the handle, which may be closed by then.
      return {reinterpret_cast<std::byte*>(memory), [size, mapped = mapped_bytes_](std::byte* mapping) {
                munmap(mapping, size);
                *mapped -= size;
              }};
    }
  }
#endif
  return Device::allocate(size);
}

// ---- slots

// Called from inside libusb, which must see no exception: it only takes notes.
void LibUsbDevice::on_done(libusb::transfer* raw) {
  auto& slot = *static_cast<Slot*>(raw->user_data);
  LibUsbDevice& device = *slot.device;
  const std::lock_guard lock(device.mutex_);
  --device.in_flight_;
  if (slot.transfer == nullptr) {
    slot.state = slot.is_awaited ? Slot::State::finished : Slot::State::idle;
    slot.is_back = 1;
    return;
  }
  slot.state = Slot::State::finished;
  slot.next = nullptr;
  (device.first_finished_ == nullptr ? device.first_finished_ : device.last_finished_->next) = &slot;
  device.last_finished_ = &slot;
  ++device.finished_;
  device.something_is_finished_ = 1;
}

// The callbacks of those that have finished until now, without the lock: they may submit again.
bool LibUsbDevice::call_finished(std::unique_lock<std::mutex>& lock) {
  bool called = false;
  for (std::size_t left = finished_; left != 0 && first_finished_ != nullptr; --left) {
    Slot& slot = *first_finished_;
    first_finished_ = slot.next;
    --finished_;
    Transfer& transfer = *std::exchange(slot.transfer, nullptr);
    const Status status = libusb::status_of(slot.raw->status);
    const auto actual = static_cast<std::size_t>(std::max(0, slot.raw->actual_length));
    slot.state = Slot::State::idle;
    lock.unlock();
    finish(transfer, status, actual);
    called = true;
    lock.lock();
  }
  return called;
}

LibUsbDevice::Slot& LibUsbDevice::take_slot(Transfer* transfer) {
  const std::lock_guard lock(mutex_);
  auto found =
      std::find_if(slots_.begin(), slots_.end(), [](const auto& slot) { return slot->state == Slot::State::idle; });
  if (found == slots_.end()) {
    libusb::transfer* raw = library_->alloc_transfer(0);
    if (raw == nullptr) throw Error(Status::no_memory, name_ + ": no memory for a transfer");
    slots_.push_back(std::make_unique<Slot>(Slot{.device = this, .raw = raw}));
    found = std::prev(slots_.end());
  }
  Slot& slot = **found;
  slot.state = Slot::State::in_flight;
  slot.transfer = transfer;
  slot.is_awaited = transfer == nullptr;
  slot.is_back = 0;
  ++in_flight_;
  return slot;
}

// Returns libusb's code; the slot is idle again unless that is success.
int LibUsbDevice::start(Slot& slot, unsigned char endpoint, unsigned char type, unsigned char* buffer,
                        std::size_t size) {
  libusb::transfer& raw = *slot.raw;
  raw.dev_handle = handle_;
  raw.flags = 0;
  raw.endpoint = endpoint;
  raw.type = type;
  raw.timeout = 0;  // the time limits are ours
  raw.length = static_cast<int>(size);
  raw.callback = on_done;
  raw.user_data = &slot;
  raw.buffer = buffer;
  raw.num_iso_packets = 0;
  const int code = library_->submit_transfer(&raw);
  if (code == libusb::kSuccess) return code;
  const std::lock_guard lock(mutex_);
  slot.state = Slot::State::idle;
  slot.transfer = nullptr;
  --in_flight_;
  return code;
}

// Returns when *completed, or earlier for reasons of libusb's own. Several threads may be in here: one of them waits
// for the kernel, the others for that one.
void LibUsbDevice::handle_events(Clock::time_point until, int* completed) {
  using std::chrono::microseconds;
  const auto left = std::clamp<Clock::duration>(until - Clock::now(), Clock::duration::zero(), kLongestPoll);
  const auto whole = std::chrono::duration_cast<microseconds>(left).count();
  timeval timeout{.tv_sec = static_cast<time_t>(whole / 1000000), .tv_usec = static_cast<suseconds_t>(whole % 1000000)};
  const int code = library_->handle_events_timeout_completed(context_, &timeout, completed);
  if (code != libusb::kErrorInterrupted) check(code, "waiting for transfers");
}

}  // namespace subgraft::usb
