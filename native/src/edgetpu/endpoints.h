// The endpoints of an Edge TPU in application mode and the transfers that are pending on them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "edgetpu/failure.h"
#include "usb/device.h"

namespace subgraft::edgetpu {

// libedgetpu driver/usb/usb_ml_commands.h, single-endpoint mode.
constexpr std::uint8_t kBulkOut = 0x01;
constexpr std::uint8_t kBulkIn = 0x81;
constexpr std::uint8_t kEventIn = 0x82;
constexpr std::uint8_t kInterruptIn = 0x83;

constexpr std::size_t kEventBytes = 16;     // u64 address, u32 length, u8 tag, 3 bytes of zeros
constexpr std::size_t kInterruptBytes = 4;  // u32: bit 0 fatal, bits 1 to 4 top level

class Lane;
class Endpoints;
struct Buffers;

// A transfer with what is to be known when it ends.
struct Flight {
  usb::Transfer transfer;
  Endpoints* endpoints = nullptr;
  bool is_pending = false;   // given to the device, and its end not looked at yet
  bool is_done = false;      // ended
  bool is_unwanted = false;  // cancelled
  bool is_pinned = false;    // its buffer is still read
  std::size_t capacity = 0;  // of its buffer
  Buffers* home = nullptr;   // of a read: whose memory it fills
  Flight* next = nullptr;    // of a read: posted after it
  Lane* lane = nullptr;      // whose message goes out
  std::size_t step = 0;      // of that lane
  std::size_t offset = 0;    // in the message
};

// Used by one thread at a time, who holds the mutex. The mutex is taken where the device tells the end of a transfer.
class Endpoints {
 public:
  Endpoints(usb::Device& device, std::mutex& mutex, int bulk_outs);
  Endpoints(const Endpoints&) = delete;
  Endpoints& operator=(const Endpoints&) = delete;

  // Keeps the event read and the interrupt read pending. All of these throw usb::Error.
  void listen();
  // The tag of an event that came, one a call.
  std::optional<std::uint8_t> event();
  // The word of an interrupt that came.
  std::optional<std::uint32_t> interrupt();

  Flight* idle_out();
  void send(Flight& out, const std::byte* data, std::size_t size);
  // One that ended, well or not; idle again then.
  Flight* finished_out();

  void post(Flight& read, std::size_t size);
  // The oldest read if it ended, well or not; no longer pending then.
  Flight* finished_read();
  bool has_reads() const { return first_read_ != nullptr; }
  void cancel_reads();

  std::size_t pending() const { return pending_; }  // transfers that have not ended
  void cancel_all();
  // Makes everything idle again that ended because of it.
  void forget_cancelled();

 private:
  static void on_done(usb::Transfer& transfer, void* context);
  void start(Flight& flight);
  void cancel(Flight& flight);

  usb::Device& device_;
  std::mutex& mutex_;
  std::vector<Flight> outs_;
  Flight event_, interrupt_;
  std::array<std::byte, kEventBytes> event_bytes_{};
  std::array<std::byte, kInterruptBytes> interrupt_bytes_{};
  Flight* first_read_ = nullptr;
  Flight* last_read_ = nullptr;
  std::size_t pending_ = 0;
};

// "endpoint 0x81: STALLED", for messages.
std::string describe(const Flight& flight);

}  // namespace subgraft::edgetpu
