// USB devices through libusb-1.0, as Python sees them.
#include "usb/libusb.h"

#include <pybind11/stl.h>

#include "bind/bind.h"
#include "bind/usb.h"

namespace py = pybind11;

namespace subgraft {
namespace {

using usb::LibUsb;

std::unique_ptr<LibUsb> load(const std::optional<std::string>& path) {
  const py::gil_scoped_release unlocked;  // from here to the brace: no Python objects
  return std::make_unique<LibUsb>(path.value_or(""));
}

py::list list(const LibUsb& libusb) {
  std::vector<usb::Listed> all;
  {
    const Unlocked unlocked;  // from here to the brace: no Python objects
    all = libusb.list();
  }
  py::list rows;
  for (const usb::Listed& one : all)
    rows.append(
        py::make_tuple(one.bus, py::tuple(py::cast(one.ports)), one.address, one.vendor, one.product, one.speed_mbps));
  return rows;
}

std::shared_ptr<usb::Device> open(const LibUsb& libusb, int bus, const std::vector<int>& ports) {
  std::unique_ptr<usb::Device> device;
  {
    const Unlocked unlocked;  // from here to the brace: no Python objects
    device = libusb.open(bus, ports);
  }
  return share(std::move(device));
}

}  // namespace

void bind_libusb(py::module_& module) {
  py::class_<LibUsb>(module, "LibUsb", "The USB devices that libusb-1.0 sees.")
      .def(py::init(&load), py::arg("path") = py::none(),
           "path: of the library; None for what SUBGRAFT_LIBUSB names, or for the usual names. UsbError NOT_FOUND when "
           "it cannot be loaded, NOT_SUPPORTED when it is another library or too old.")
      .def("list", list, "What is plugged in now: (bus, ports, address, vendor, product, speed in Mbit/s) for each.")
      .def("open", open, py::arg("bus"), py::arg("ports"),
           "UsbError NO_DEVICE when nothing is plugged in there, ACCESS without permission.");
}

}  // namespace subgraft
