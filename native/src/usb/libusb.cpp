#include "usb/libusb.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

#include "core/errors.h"

namespace subgraft::usb {
namespace {

constexpr int kMostPorts = 7;  // USB 3.2, 10.1.4: five hubs between the root port and the device; libusb says 7

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

}  // namespace subgraft::usb
