// One opened USB device, whoever is behind it: libusb, a bus that Python serves, or nothing at all.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace subgraft::usb {

using Clock = std::chrono::steady_clock;

enum class Status : std::uint8_t {
  completed,
  timed_out,
  cancelled,
  stalled,
  overflow,  // the device sent more than was asked for
  no_device,
  io,
  no_memory,
  access,
  busy,
  not_found,
  not_supported,
  invalid,
};

// As messages and Python name it: "TIMEOUT", "STALLED", "NO_DEVICE", ...
const char* name_of(Status status);
std::optional<Status> status_named(std::string_view name);
// "control transfer c0 01 value a30c index 0001 length 4", for messages.
std::string describe_control(std::uint8_t request_type, std::uint8_t request, std::uint16_t value, std::uint16_t index,
                             std::size_t size);

class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& what) : std::runtime_error(what), status(status) {}
  const Status status;
};

// One bulk or interrupt transfer. Owned by the caller, who keeps it and its buffer alive while it is pending.
struct Transfer {
  std::uint8_t endpoint = 0;  // bit 7: IN
  bool is_interrupt = false;
  std::byte* buffer = nullptr;
  std::size_t size = 0;
  // Called by Device::wait() or Device::close(), on their thread, once per submit, perhaps before submit() returned. It
  // may submit again and must not throw.
  void (*done)(Transfer& transfer, void* context) = nullptr;
  void* context = nullptr;

  std::size_t actual = 0;  // bytes moved; set before done
  Status status = Status::completed;
  bool is_pending = false;
};

// Calls may come from several threads at once, close() included. Nothing here needs the GIL, and nothing waits without
// a bound.
class Device {
 public:
  virtual ~Device() = default;

  // One control transfer; IN when bit 7 of request_type is set. Returns the bytes moved. Throws Error.
  virtual std::size_t control(std::uint8_t request_type, std::uint8_t request, std::uint16_t value, std::uint16_t index,
                              std::byte* data, std::size_t size, std::chrono::milliseconds timeout) = 0;

  // Starts a transfer. Throws Error when it cannot start; then done is not called.
  virtual void submit(Transfer& transfer) = 0;
  // Asks to end a pending transfer; done follows from wait(), as cancelled or as what happened first.
  virtual void cancel(Transfer& transfer) = 0;
  // Waits until at least one transfer is done, at most until `until`. Returns whether one was. Returns at once where
  // waiting is in vain because no transfer is pending.
  virtual bool wait(Clock::time_point until) = 0;

  virtual void claim(int interface) = 0;
  virtual void release(int interface) = 0;
  virtual void clear_halt(std::uint8_t endpoint) = 0;
  // A port reset. Error(not_found) or (no_device): the device came back as another one, and has to be opened again.
  virtual void reset() = 0;
  // Lets go of it; pending transfers are cancelled and finished first, in bounded time. May be called twice.
  virtual void close() = 0;

  virtual int speed_mbps() const = 0;

  // Memory from which this transport sends fastest; plain memory by default. Reading it may be slow.
  virtual std::shared_ptr<std::byte> allocate(std::size_t size);

  // No in a forked child: the threads on the other side stayed behind, so it is neither used nor destroyed there.
  bool is_of_this_process() const { return getpid() == process_; }

 private:
  const pid_t process_ = getpid();
};

}  // namespace subgraft::usb
