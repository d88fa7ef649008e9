#include "usb/libusb.h"

#include <sys/mman.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <utility>

#include "core/errors.h"

namespace subgraft::usb {
namespace {

constexpr std::chrono::milliseconds kCancelPatience{1000};  // for the kernel to hand a cancelled transfer back
constexpr std::chrono::milliseconds kClosePatience{2000};
constexpr std::chrono::seconds kLongestPoll{60};
constexpr std::size_t kSetupBytes = 8;
constexpr int kMostPorts = 7;  // USB 3.2, 10.1.4: five hubs between the root port and the device; libusb says 7
// The kernel lends 16 MB to all USB devices together (usbcore.usbfs_memory_mb), transfers in flight included.
constexpr std::size_t kMostMappedBytes = std::size_t{4} << 20;

struct Exit {
  const libusb::Library* library;
  void operator()(libusb::context* context) const { library->exit(context); }
};
using Context = std::unique_ptr<libusb::context, Exit>;

struct FreeList {
  const libusb::Library* library;
  void operator()(libusb::device** list) const { library->free_device_list(list, /*unref_devices=*/1); }
};

Context make_context(const libusb::Library& library) {
  libusb::context* context = nullptr;
  libusb::check(library.init(&context), "libusb_init");
  return {context, {&library}};
}

// libusb.h, enum libusb_speed
int mbps_of(int speed) {
  constexpr int kMbps[] = {0, 1, 12, 480, 5000, 10000, 20000};
  return speed >= 0 && speed < static_cast<int>(std::size(kMbps)) ? kMbps[speed] : 0;
}

Listed describe(const libusb::Library& library, libusb::device* device) {
  libusb::device_descriptor descriptor{};
  libusb::check(library.get_device_descriptor(device, &descriptor), "reading a device descriptor");
  std::uint8_t ports[kMostPorts] = {};
  const int count = std::max(0, library.get_port_numbers(device, ports, kMostPorts));
  return {.bus = library.get_bus_number(device),
          .ports = {ports, ports + count},
          .address = library.get_device_address(device),
          .vendor = descriptor.idVendor,
          .product = descriptor.idProduct,
          .speed_mbps = mbps_of(library.get_device_speed(device))};
}

// Calls visit(device, Listed) for each device until it returns false.
template <typename Visit>
void visit_devices(const libusb::Library& library, libusb::context* context, Visit visit) {
  libusb::device** raw = nullptr;
  const ssize_t count = library.get_device_list(context, &raw);
  libusb::check(static_cast<int>(std::min<ssize_t>(count, 0)), "listing USB devices");
  const std::unique_ptr<libusb::device*, FreeList> list(raw, {&library});
  for (ssize_t i = 0; i < count; ++i)
    if (!visit(raw[i], describe(library, raw[i]))) return;
}

// "2-1.3", as in /sys/bus/usb/devices.
std::string path_of(int bus, const std::vector<int>& ports) {
  std::string path = std::to_string(bus);
  for (std::size_t i = 0; i < ports.size(); ++i) path += (i == 0 ? "-" : ".") + std::to_string(ports[i]);
  return path;
}

std::string node_of(const Listed& listed) {
  char node[32];
  std::snprintf(node, sizeof node, "/dev/bus/usb/%03d/%03d", listed.bus, listed.address);
  return node;
}

}  // namespace

std::vector<Listed> LibUsb::list() const {
  const Context context = make_context(*library_);
  std::vector<Listed> all;
  visit_devices(*library_, context.get(), [&](libusb::device*, Listed listed) {
    all.push_back(std::move(listed));
    return true;
  });
  return all;
}

std::unique_ptr<LibUsbDevice> LibUsb::open(int bus, const std::vector<int>& ports) const {
  Context context = make_context(*library_);
  const std::string name = "USB device " + path_of(bus, ports);
  libusb::device_handle* handle = nullptr;
  int speed_mbps = 0;
  visit_devices(*library_, context.get(), [&](libusb::device* device, const Listed& listed) {
    if (listed.bus != bus || listed.ports != ports) return true;
    speed_mbps = listed.speed_mbps;
    libusb::check(library_->open(device, &handle), concat("opening ", name, " (", node_of(listed), ")"));
    return false;
  });
  if (handle == nullptr) throw Error(Status::no_device, concat("opening ", name, ": nothing is plugged in there"));
  return std::make_unique<LibUsbDevice>(library_, context.release(), handle, name, speed_mbps);
}

LibUsbDevice::LibUsbDevice(std::shared_ptr<const libusb::Library> library, libusb::context* context,
                           libusb::device_handle* handle, std::string name, int speed_mbps)
    : library_(std::move(library)),
      context_(context),
      handle_(handle),
      name_(std::move(name)),
      speed_mbps_(speed_mbps) {}

LibUsbDevice::~LibUsbDevice() { close(); }

std::size_t LibUsbDevice::control(std::uint8_t request_type, std::uint8_t request, std::uint16_t value,
                                  std::uint16_t index, std::byte* data, std::size_t size,
                                  std::chrono::milliseconds timeout) {
  const std::string what = concat(name_, ": ", describe_control(request_type, request, value, index, size));
  if (size > 0xFFFF) throw Error(Status::invalid, what + ": a control transfer moves at most 65535 bytes");
  if (timeout.count() <= 0) throw Error(Status::invalid, what + ": needs a time limit");
  refuse_if_closed(what);
  Slot& slot = idle_slot();
  slot.control_buffer.resize(kSetupBytes + size);
  unsigned char* setup = slot.control_buffer.data();
  setup[0] = request_type;
  setup[1] = request;
  const std::uint16_t fields[] = {value, index, static_cast<std::uint16_t>(size)};
  for (std::size_t i = 0; i < 3; ++i) {
    setup[2 + 2 * i] = static_cast<unsigned char>(fields[i]);
    setup[3 + 2 * i] = static_cast<unsigned char>(fields[i] >> 8);
  }
  const bool is_in = (request_type & 0x80) != 0;
  if (!is_in && size != 0) std::memcpy(setup + kSetupBytes, data, size);
  slot.transfer = nullptr;
  slot.raw->endpoint = 0;
  slot.raw->type = libusb::kControl;
  slot.raw->buffer = setup;
  slot.raw->length = static_cast<int>(kSetupBytes + size);
  libusb::check(start(slot), what);

  bool was_late = false;
  if (!finish_control(slot, Clock::now() + timeout)) {
    was_late = true;
    library_->cancel_transfer(slot.raw);
    finish_control(slot, Clock::now() + kCancelPatience);
  }
  // One that does not even come back from its cancel keeps its slot and its buffer until it does, or for good.
  const Status status = slot.is_pending ? Status::cancelled : libusb::status_of(slot.raw->status);
  if (was_late && status == Status::cancelled)
    throw Error(Status::timed_out, concat(what, ": no answer within ", timeout.count(), " ms"));
  if (status != Status::completed) throw Error(status, concat(what, ": ", name_of(status)));
  const auto actual = std::min(static_cast<std::size_t>(std::max(0, slot.raw->actual_length)), size);
  if (is_in && actual != 0) std::memcpy(data, setup + kSetupBytes, actual);
  return actual;
}

// Whether it came back in time.
bool LibUsbDevice::finish_control(Slot& slot, Clock::time_point until) {
  while (slot.is_pending && Clock::now() < until) handle_events(until);
  return !slot.is_pending;
}

void LibUsbDevice::submit(Transfer& transfer) {
  const auto what = [&] { return concat(name_, ": a transfer on endpoint ", static_cast<int>(transfer.endpoint)); };
  if (handle_ == nullptr) refuse_if_closed(what());
  if (transfer.size > INT_MAX) throw Error(Status::invalid, what() + ": too large");
  Slot& slot = idle_slot();
  slot.transfer = &transfer;
  slot.raw->endpoint = transfer.endpoint;
  slot.raw->type = transfer.is_interrupt ? libusb::kInterrupt : libusb::kBulk;
  slot.raw->buffer = reinterpret_cast<unsigned char*>(transfer.buffer);
  slot.raw->length = static_cast<int>(transfer.size);
  if (const int code = start(slot)) libusb::check(code, what());
  transfer.actual = 0;
  transfer.is_pending = true;
  transfer.transport = std::shared_ptr<void>(std::shared_ptr<void>(), &slot);  // not owned: the slots are ours
}

void LibUsbDevice::cancel(Transfer& transfer) {
  const auto* slot = static_cast<Slot*>(transfer.transport.get());
  if (!transfer.is_pending || slot == nullptr || slot->transfer != &transfer || !slot->is_pending) return;
  library_->cancel_transfer(slot->raw);  // fails only for what is over, or about to be because the device is gone
}

bool LibUsbDevice::wait(Clock::time_point until) {
  if (finished_.empty() && pending_ == 0) return false;
  do {
    if (finished_.empty()) handle_events(until);
  } while (finished_.empty() && Clock::now() < until);
  return run_callbacks();
}

void LibUsbDevice::claim(int interface) {
  const std::string what = concat(name_, ": claiming interface ", interface);
  refuse_if_closed(what);
  libusb::check(library_->claim_interface(handle_, interface), what);
}

void LibUsbDevice::release(int interface) {
  const std::string what = concat(name_, ": releasing interface ", interface);
  refuse_if_closed(what);
  libusb::check(library_->release_interface(handle_, interface), what);
}

void LibUsbDevice::clear_halt(std::uint8_t endpoint) {
  const std::string what = concat(name_, ": clearing the halt of endpoint ", static_cast<int>(endpoint));
  refuse_if_closed(what);
  libusb::check(library_->clear_halt(handle_, endpoint), what);
}

void LibUsbDevice::reset() {
  const std::string what = name_ + ": resetting the port";
  refuse_if_closed(what);
  libusb::check(library_->reset_device(handle_), what);
}

void LibUsbDevice::close() {
  if (handle_ == nullptr) return;
  for (const auto& slot : slots_)
    if (slot->is_pending) library_->cancel_transfer(slot->raw);
  const auto until = Clock::now() + kClosePatience;
  try {
    while (pending_ != 0 && Clock::now() < until) handle_events(until);
  } catch (const Error&) {
    // libusb cannot even wait for them any more: they are left as those that do not come back.
  }
  const bool all_came_back = pending_ == 0;
  abandon_pending();
  for (const auto& slot : slots_) library_->free_transfer(slot->raw);
  slots_.clear();
  library_->close(std::exchange(handle_, nullptr));
  if (all_came_back) library_->exit(context_);
  context_ = nullptr;
  run_callbacks();
}

// A transfer that is not handed back although it was cancelled may still be reached from inside libusb and the kernel:
// freeing it would be a use after free, so it leaks, and its context with it. The user's buffer is safe: closing the
// handle makes the kernel let go of it.
void LibUsbDevice::abandon_pending() {
  for (auto& slot : slots_) {
    if (!slot->is_pending) continue;
    if (slot->transfer != nullptr) finished_.push_back({slot->transfer, Status::cancelled, 0});
    slot->transfer = nullptr;
    (void)slot.release();
  }
  pending_ = 0;
  std::erase(slots_, nullptr);
}

std::shared_ptr<std::byte> LibUsbDevice::allocate(std::size_t size) {
#ifdef __linux__
  const bool fits = size != 0 && *mapped_bytes_ + size <= kMostMappedBytes;
  if (library_->dev_mem_alloc != nullptr && handle_ != nullptr && fits) {
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

// ---- libusb's side

// Called from inside libusb, which must see no exception: it only takes notes.
void LibUsbDevice::on_done(libusb::transfer* raw) {
  auto& slot = *static_cast<Slot*>(raw->user_data);
  LibUsbDevice& device = *slot.device;
  slot.is_pending = false;
  --device.pending_;
  device.something_is_done_ = 1;
  if (slot.transfer == nullptr) return;
  const auto actual = static_cast<std::size_t>(std::max(0, raw->actual_length));
  device.finished_.push_back({std::exchange(slot.transfer, nullptr), libusb::status_of(raw->status), actual});
}

LibUsbDevice::Slot& LibUsbDevice::idle_slot() {
  for (const auto& slot : slots_)
    if (!slot->is_pending) return *slot;
  libusb::transfer* raw = library_->alloc_transfer(0);
  if (raw == nullptr) throw Error(Status::no_memory, name_ + ": no memory for a transfer");
  finished_.reserve(slots_.size() + 1);  // so that on_done() needs no memory
  called_.reserve(slots_.size() + 1);
  slots_.push_back(std::make_unique<Slot>(Slot{.device = this, .raw = raw}));
  return *slots_.back();
}

int LibUsbDevice::start(Slot& slot) {
  libusb::transfer& raw = *slot.raw;
  raw.dev_handle = handle_;
  raw.flags = 0;
  raw.timeout = 0;  // the time limits are ours: libusb's would need its timer
  raw.callback = on_done;
  raw.user_data = &slot;
  raw.num_iso_packets = 0;
  const int code = library_->submit_transfer(&raw);
  if (code != libusb::kSuccess) return code;
  slot.is_pending = true;
  ++pending_;
  return code;
}

// Returns when something is done, or earlier for reasons of libusb's own.
void LibUsbDevice::handle_events(Clock::time_point until) {
  using std::chrono::microseconds;
  const auto left = std::clamp<Clock::duration>(until - Clock::now(), Clock::duration::zero(), kLongestPoll);
  const auto whole = std::chrono::duration_cast<microseconds>(left).count();
  timeval timeout{.tv_sec = static_cast<time_t>(whole / 1000000), .tv_usec = static_cast<suseconds_t>(whole % 1000000)};
  something_is_done_ = 0;
  const int code = library_->handle_events_timeout_completed(context_, &timeout, &something_is_done_);
  if (code != libusb::kErrorInterrupted) libusb::check(code, name_ + ": waiting for transfers");
}

bool LibUsbDevice::run_callbacks() {
  called_.clear();
  called_.swap(finished_);
  for (const Finished& finished : called_) {
    finished.transfer->status = finished.status;
    finished.transfer->actual = finished.actual;
    finished.transfer->is_pending = false;
    if (finished.transfer->done != nullptr) finished.transfer->done(*finished.transfer, finished.transfer->context);
  }
  return !called_.empty();
}

void LibUsbDevice::refuse_if_closed(const std::string& what) const {
  if (handle_ == nullptr) throw Error(Status::no_device, what + ": the device is closed");
}

}  // namespace subgraft::usb
