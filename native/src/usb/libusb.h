// USB devices through libusb-1.0: no thread of ours, events are seen to by whoever waits.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "usb/device.h"
#include "usb/libusb_library.h"

namespace subgraft::usb {

struct Listed {
  int bus;
  std::vector<int> ports;  // from the root hub on; empty for a root hub
  int address;
  int vendor;
  int product;
  int speed_mbps;
};

class LibUsbDevice;

// Every call looks anew, in a context of its own: within one, libusb sees no plugging where no udevd runs.
class LibUsb {
 public:
  explicit LibUsb(const std::string& path) : library_(libusb::load(path)) {}

  std::vector<Listed> list() const;
  // Throws Error: no_device when nothing is plugged in there, access, ...
  std::unique_ptr<LibUsbDevice> open(int bus, const std::vector<int>& ports) const;

 private:
  const std::shared_ptr<const libusb::Library> library_;
};

class LibUsbDevice final : public Device {
 public:
  // Takes both over.
  LibUsbDevice(std::shared_ptr<const libusb::Library> library, libusb::context* context, libusb::device_handle* handle,
               std::string name, int speed_mbps);
  ~LibUsbDevice() override;

  std::size_t control(std::uint8_t request_type, std::uint8_t request, std::uint16_t value, std::uint16_t index,
                      std::byte* data, std::size_t size, std::chrono::milliseconds timeout) override;
  void submit(Transfer& transfer) override;
  void cancel(Transfer& transfer) override;
  bool wait(Clock::time_point until) override;
  void claim(int interface) override;
  void release(int interface) override;
  void clear_halt(std::uint8_t endpoint) override;
  void reset() override;
  void close() override;
  int speed_mbps() const override { return speed_mbps_; }
  std::shared_ptr<std::byte> allocate(std::size_t size) override;

 private:
  // One libusb transfer, used again and again. Stays where it is, because libusb points at it.
  struct Slot {
    enum class State : std::uint8_t { idle, in_flight, finished };

    LibUsbDevice* device;
    libusb::transfer* raw;
    State state = State::idle;
    Transfer* transfer = nullptr;  // none: a control transfer, or given up
    bool is_awaited = false;       // a control transfer that somebody waits for
    std::vector<unsigned char> control_buffer = {};
    int is_back = 0;       // what libusb looks at to stop waiting for a control transfer
    Slot* next = nullptr;  // in the queue of the finished
  };
  struct Visit;

  static void on_done(libusb::transfer* raw);
  std::size_t move_control(Slot& slot, std::chrono::milliseconds timeout, const std::string& what);
  void cancel_slot(Slot& slot);
  bool comes_back(Slot& slot, Clock::time_point until);
  Slot& start_control(std::vector<unsigned char> buffer, const std::string& what);
  Slot& take_slot(Transfer* transfer);
  int start(Slot& slot, unsigned char endpoint, unsigned char type, unsigned char* buffer, std::size_t size);
  void handle_events(Clock::time_point until, int* completed);
  bool call_finished(std::unique_lock<std::mutex>& lock);
  void cancel_all();
  void give_up_all(std::unique_lock<std::mutex>& lock);
  void let_go();
  void check(int code, const char* doing) const;

  const std::shared_ptr<const libusb::Library> library_;
  libusb::context* context_;
  libusb::device_handle* handle_;
  const std::string name_;  // "USB device 2-1.3", for messages
  const int speed_mbps_;
  const std::shared_ptr<std::atomic<std::size_t>> mapped_bytes_ = std::make_shared<std::atomic<std::size_t>>(0);

  std::mutex starts_;      // held while a slot starts or is cancelled, never by on_done(); taken before mutex_
  std::mutex mutex_;       // for all below; never held while libusb runs
  std::set<int> claimed_;  // interfaces
  std::vector<std::unique_ptr<Slot>> slots_;
  Slot* first_finished_ = nullptr;  // a queue: their callbacks are due in wait()
  Slot* last_finished_ = nullptr;
  std::size_t finished_ = 0;
  std::size_t in_flight_ = 0;
  int something_is_finished_ = 0;  // what libusb looks at to stop waiting
  int visitors_ = 0;               // calls under way
  bool is_closed_ = false;
};

}  // namespace subgraft::usb
