// USB devices without a bus: one that Python plays, and one that computes nothing.
#include <pybind11/stl.h>

#include <algorithm>
#include <vector>

#include "bind/bind.h"
#include "bind/usb.h"
#include "core/errors.h"
#include "usb/loopback.h"
#include "usb/null_device.h"

namespace py = pybind11;

namespace subgraft {
namespace {

using usb::Loopback;
using usb::Urb;

std::shared_ptr<Loopback> make_loopback(int speed_mbps, double farewell_s) {
  return share(std::make_unique<Loopback>(speed_mbps, seconds(farewell_s)));
}

std::optional<Urb> take(Loopback& loopback, double timeout_s) {
  const auto until = usb::Clock::now() + seconds(timeout_s);
  if (loopback.is_over()) return Urb{};  // without letting go of the GIL, which may never come back at exit
  const Unlocked unlocked;               // from here to the brace: no Python objects
  return loopback.take(until);
}

bool complete(Loopback& loopback, std::uint64_t id, const std::string& status, const py::object& data,
              std::optional<std::size_t> actual) {
  const auto code = usb::status_named(status);
  if (!code) throw ArgumentError(concat("\"", status, "\" is no status of a USB transfer"));
  if (!data.is_none() && actual) throw ArgumentError("actual is for what goes out, data for what comes in");
  const ByteView view(data.is_none() ? py::bytes() : data);
  if (view.size() != 0) actual = view.size();
  const Unlocked unlocked;  // from here to the brace: no Python objects
  return loopback.complete(id, *code, view.size() != 0 ? view.data() : nullptr, actual);
}

py::buffer_info buffer_of(Urb& urb) {
  const auto size = static_cast<py::ssize_t>(urb.data ? urb.size : 0);
  return {const_cast<std::byte*>(urb.data.get()), 1, "B", 1, {size}, {1}, /*readonly=*/true};
}

std::shared_ptr<usb::NullDevice> make_null_device(const std::vector<py::buffer>& canned, int inputs, int speed_mbps) {
  std::vector<std::vector<std::byte>> answers;
  for (const py::buffer& one : canned) {
    const ByteView view(one);
    answers.emplace_back(view.data(), view.data() + view.size());
  }
  return share(std::make_unique<usb::NullDevice>(std::move(answers), inputs, speed_mbps));
}

void bind_urb(py::module_& module) {
  py::class_<Urb>(module, "Urb", py::buffer_protocol(), "One request to whoever plays a USB device.")
      .def_buffer(buffer_of)
      .def_readonly("id", &Urb::id, "Of a cancel: of the request that is no longer wanted.")
      .def_property_readonly(
          "kind", [](const Urb& urb) { return usb::name_of(urb.kind); },
          "control, bulk, interrupt, claim, release, clear_halt, reset, cancel; close: no more come.")
      .def_readonly("endpoint", &Urb::endpoint, "Bit 7: from the device.")
      .def_readonly("interface", &Urb::interface, "Of a claim or a release.")
      .def_property_readonly(
          "setup",
          [](const Urb& urb) {
            return urb.kind == Urb::Kind::control
                       ? py::bytes(reinterpret_cast<const char*>(urb.setup.data()), urb.setup.size())
                       : py::bytes();
          },
          "The eight bytes that open a control transfer.")
      .def_property_readonly(
          "data", [](const py::object& self) { return py::memoryview(self); },
          "What is sent to the device; may be kept.")
      .def_readonly("length", &Urb::size, "Bytes sent, or at most to be received.")
      .def_property_readonly(
          "timeout_ms", [](const Urb& urb) { return urb.timeout.count(); },
          "Of a control transfer or a command; 0: until it is cancelled.");
}

}  // namespace

void bind_usb_loopback(py::module_& module) {
  bind_urb(module);
  py::class_<Loopback, usb::Device, std::shared_ptr<Loopback>>(
      module, "Loopback", "A USB device that Python plays: take() a request, complete() it.")
      .def(py::init(&make_loopback), py::arg("speed_mbps"), py::kw_only(), py::arg("farewell_s") = 0.0,
           "farewell_s: how long close() waits for the player's farewell().")
      .def("take", take, py::arg("timeout_s"),
           "The next request; None when none came in time. After close() and unplug() one of kind \"close\", at once.")
      .def("complete", complete, py::arg("id"), py::arg("status"), py::arg("data") = py::none(), py::kw_only(),
           py::arg("actual") = py::none(),
           "Ends a request: with what came in (`data`), or with how many bytes went out (`actual`; all of them when "
           "COMPLETED and not given). False: nobody waits for it any more.")
      .def("is_wanted", &Loopback::is_wanted, py::arg("id"), py::call_guard<Unlocked>(),
           "Whether somebody still waits for it: neither completed nor cancelled.")
      .def("unplug", &Loopback::unplug, py::call_guard<Unlocked>(),
           "Ends everything pending and to come with NO_DEVICE.")
      .def("farewell", &Loopback::farewell, py::call_guard<Unlocked>(),
           "Says that the player has let go of what it plays with.");
  py::class_<usb::NullDevice, usb::Device, std::shared_ptr<usb::NullDevice>>(
      module, "NullDevice", "An Edge TPU for benchmarks: takes everything, answers every request with the same bytes.")
      .def(py::init(&make_null_device), py::arg("canned"), py::kw_only(), py::arg("inputs") = 1,
           py::arg("speed_mbps") = 5000,
           "canned: the bytes of one request's answer, an entry for each output. inputs: how many payloads of inputs a "
           "request sends.");
}

}  // namespace subgraft
