// USB devices through libusb-1.0: no thread of ours, events are seen to by whoever waits.
#pragma once

#include <atomic>
#include <memory>
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
    LibUsbDevice* device;
    libusb::transfer* raw;
    Transfer* transfer = nullptr;  // or it is a control transfer
    std::vector<unsigned char> control_buffer = {};
    bool is_pending = false;
  };
  struct Finished {
    Transfer* transfer;
    Status status;
    std::size_t actual;
  };

  static void on_done(libusb::transfer* raw);
  Slot& idle_slot();
  int start(Slot& slot);
  void handle_events(Clock::time_point until);
  bool finish_control(Slot& slot, Clock::time_point until);
  bool run_callbacks();
  void abandon_pending();
  void refuse_if_closed(const std::string& what) const;

  const std::shared_ptr<const libusb::Library> library_;
  libusb::context* context_;
  libusb::device_handle* handle_;
  const std::string name_;  // "USB device 2-1.3", for messages
  const int speed_mbps_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Finished> finished_;  // their callbacks are due in wait()
  std::vector<Finished> called_;    // the batch whose callbacks run
  std::size_t pending_ = 0;         // slots in flight
  int something_is_done_ = 0;       // what libusb looks at to stop waiting
  const std::shared_ptr<std::atomic<std::size_t>> mapped_bytes_ = std::make_shared<std::atomic<std::size_t>>(0);
};

}  // namespace subgraft::usb
