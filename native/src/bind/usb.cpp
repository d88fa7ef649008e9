// USB devices as Python sees them, whoever is behind: control transfers, transfers in flight, errors with a code.
#include "bind/usb.h"

#include <pthread.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bind/bind.h"
#include "core/errors.h"

namespace py = pybind11;

namespace subgraft {
namespace {

constexpr double kLongestWaitS = 1e6;
constexpr std::size_t kLongestControl = 0xFFFF;  // wLength

// Held for the life of the process.
PyObject* usb_error = nullptr;

constexpr std::chrono::seconds kExitPatience{1};
constexpr std::chrono::milliseconds kExitPoll{1};

std::vector<std::weak_ptr<usb::Device>> opened;  // under the GIL

void close_all() {
  std::vector<std::weak_ptr<usb::Device>> all;
  all.swap(opened);
  const py::gil_scoped_release unlocked;  // from here to the brace: no Python objects
  for (const auto& one : all)
    if (const auto device = one.lock(); device && device->is_of_this_process()) device->close();
  const auto until = usb::Clock::now() + kExitPatience;
  while (Unlocked::inside() != 0 && usb::Clock::now() < until) std::this_thread::sleep_for(kExitPoll);
}

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const usb::Error& error) {
    try {
      const py::object instance = py::reinterpret_borrow<py::object>(usb_error)(error.what());
      instance.attr("code") = usb::name_of(error.status);
      PyErr_SetObject(usb_error, instance.ptr());
    } catch (py::error_already_set& worse) {
      worse.restore();
    }
  }
}

std::chrono::milliseconds milliseconds(int timeout_ms) {
  if (timeout_ms <= 0) throw ArgumentError(concat("timeout_ms must be at least 1, not ", timeout_ms));
  return std::chrono::milliseconds(timeout_ms);
}

py::bytes to_bytes(const std::byte* data, std::size_t size) { return {reinterpret_cast<const char*>(data), size}; }

// A transfer that owns its buffer, and itself while it is pending; it does not keep the device.
class OwnTransfer : public std::enable_shared_from_this<OwnTransfer> {
 public:
  OwnTransfer(std::uint8_t endpoint, bool is_interrupt, std::vector<std::byte> buffer) : buffer_(std::move(buffer)) {
    transfer_.endpoint = endpoint;
    transfer_.is_interrupt = is_interrupt;
    transfer_.buffer = buffer_.data();
    transfer_.size = buffer_.size();
    transfer_.context = this;
    transfer_.done = [](usb::Transfer&, void* context) {
      auto& own = *static_cast<OwnTransfer*>(context);
      const auto last = std::move(own.itself_);
      own.is_done_ = true;
    };
  }

  void submit(const std::shared_ptr<usb::Device>& device) {
    device_ = device;
    itself_ = shared_from_this();
    try {
      unlocked_with(*device, [&] { device->submit(transfer_); });
    } catch (...) {
      itself_.reset();
      throw;
    }
  }
  void cancel() {
    const std::shared_ptr<usb::Device> device = device_.lock();
    if (device && !is_done_) unlocked_with(*device, [&] { device->cancel(transfer_); });
  }
  int endpoint() const { return transfer_.endpoint; }
  std::optional<std::string> status() const {
    return is_done_ ? std::optional<std::string>(usb::name_of(transfer_.status)) : std::nullopt;
  }
  std::size_t actual() const { return is_done_ ? transfer_.actual : 0; }
  py::bytes data() const { return to_bytes(buffer_.data(), (transfer_.endpoint & 0x80) != 0 ? actual() : 0); }

 private:
  std::weak_ptr<usb::Device> device_;
  std::vector<std::byte> buffer_;
  usb::Transfer transfer_;
  std::atomic<bool> is_done_ = false;
  std::shared_ptr<OwnTransfer> itself_;
};

std::uint8_t checked_endpoint(int endpoint, bool is_in) {
  if (endpoint < 0 || endpoint > 0xFF || ((endpoint & 0x80) != 0) != is_in)
    throw ArgumentError(concat("endpoint ", endpoint, " is no ", is_in ? "IN" : "OUT", " endpoint"));
  return static_cast<std::uint8_t>(endpoint);
}

std::shared_ptr<OwnTransfer> submit(const std::shared_ptr<usb::Device>& device, std::uint8_t endpoint,
                                    bool is_interrupt, std::vector<std::byte> buffer) {
  auto transfer = std::make_shared<OwnTransfer>(endpoint, is_interrupt, std::move(buffer));
  transfer->submit(device);
  return transfer;
}

py::bytes control_in(usb::Device& device, std::uint8_t request_type, std::uint8_t request, std::uint16_t value,
                     std::uint16_t index, std::uint16_t length, int timeout_ms) {
  if ((request_type & 0x80) == 0) throw ArgumentError("control_in needs a request type with bit 7 set");
  const auto timeout = milliseconds(timeout_ms);
  std::vector<std::byte> buffer(length);
  const std::size_t actual = unlocked_with(device, [&] {
    return device.control(request_type, request, value, index, buffer.data(), buffer.size(), timeout);
  });
  return to_bytes(buffer.data(), actual);
}

void control_out(usb::Device& device, std::uint8_t request_type, std::uint8_t request, std::uint16_t value,
                 std::uint16_t index, const py::buffer& data, int timeout_ms) {
  if ((request_type & 0x80) != 0) throw ArgumentError("control_out needs a request type with bit 7 clear");
  const auto timeout = milliseconds(timeout_ms);
  const ByteView view(data);
  if (view.size() > kLongestControl) throw ArgumentError("a control transfer moves at most 65535 bytes");
  std::vector<std::byte> buffer(view.data(), view.data() + view.size());
  const std::size_t actual = unlocked_with(device, [&] {
    return device.control(request_type, request, value, index, buffer.data(), buffer.size(), timeout);
  });
  if (actual != buffer.size())
    throw usb::Error(usb::Status::io, concat(usb::describe_control(request_type, request, value, index, buffer.size()),
                                             ": the device took only ", actual, " bytes"));
}

}  // namespace

usb::Clock::duration seconds(double timeout_s) {
  if (!(timeout_s >= 0)) throw ArgumentError(concat("timeout_s must be 0 or more, not ", timeout_s));
  return std::chrono::duration_cast<usb::Clock::duration>(
      std::chrono::duration<double>(std::min(timeout_s, kLongestWaitS)));
}

void close_at_exit(const std::shared_ptr<usb::Device>& device) {
  std::erase_if(opened, [](const auto& other) { return other.expired(); });
  opened.push_back(device);
}

void bind_usb(py::module_& module) {
  pthread_atfork(nullptr, nullptr, Unlocked::forget);
  py::module_::import("atexit").attr("register")(py::cpp_function(close_all));
  py::dict attributes;
  attributes["code"] = "";
  usb_error = PyErr_NewExceptionWithDoc("subgraft._native.UsbError", "What a USB transfer ended with; `code` names it.",
                                        PyExc_RuntimeError, attributes.ptr());
  if (usb_error == nullptr) throw py::error_already_set();
  module.attr("UsbError") = py::handle(usb_error);
  py::register_exception_translator(translate);

  py::class_<OwnTransfer, std::shared_ptr<OwnTransfer>>(module, "UsbTransfer", "One bulk or interrupt transfer.")
      .def("cancel", &OwnTransfer::cancel, "Asks to end it; UsbDevice.wait() then sees how it ended.")
      .def_property_readonly("endpoint", &OwnTransfer::endpoint)
      .def_property_readonly("status", &OwnTransfer::status, "None while it is pending.")
      .def_property_readonly("actual", &OwnTransfer::actual, "Bytes moved.")
      .def_property_readonly("data", &OwnTransfer::data, "What came in.");

  using usb::Device;
  py::class_<Device, std::shared_ptr<Device>>(module, "UsbDevice", "One opened USB device.")
      .def("control_in", control_in, py::arg("request_type"), py::arg("request"), py::arg("value"), py::arg("index"),
           py::arg("length"), py::arg("timeout_ms"))
      .def("control_out", control_out, py::arg("request_type"), py::arg("request"), py::arg("value"), py::arg("index"),
           py::arg("data"), py::arg("timeout_ms"))
      .def(
          "claim", [](Device& self, int interface) { unlocked_with(self, [&] { self.claim(interface); }); },
          py::arg("interface"))
      .def(
          "release", [](Device& self, int interface) { unlocked_with(self, [&] { self.release(interface); }); },
          py::arg("interface"))
      .def(
          "clear_halt",
          [](Device& self, std::uint8_t endpoint) { unlocked_with(self, [&] { self.clear_halt(endpoint); }); },
          py::arg("endpoint"))
      .def(
          "reset", [](Device& self) { unlocked_with(self, [&] { self.reset(); }); },
          "A port reset. UsbError NOT_FOUND or NO_DEVICE: it came back as another device, to be opened again.")
      .def(
          "close", [](Device& self) { unlocked_with(self, [&] { self.close(); }); },
          "Ends what is pending, in bounded time. May be called twice.")
      .def_property_readonly("speed_mbps", &Device::speed_mbps, "Of the link; 0 if unknown.")
      .def(
          "submit_out",
          [](const std::shared_ptr<Device>& self, int endpoint, const py::buffer& data) {
            const ByteView view(data);
            return submit(self, checked_endpoint(endpoint, false), false, {view.data(), view.data() + view.size()});
          },
          py::arg("endpoint"), py::arg("data"), "Starts a bulk transfer to the device.")
      .def(
          "submit_in",
          [](const std::shared_ptr<Device>& self, int endpoint, std::size_t length, bool interrupt) {
            return submit(self, checked_endpoint(endpoint, true), interrupt, std::vector<std::byte>(length));
          },
          py::arg("endpoint"), py::arg("length"), py::kw_only(), py::arg("interrupt") = false,
          "Starts a bulk or interrupt transfer from the device.")
      .def(
          "wait",
          [](Device& self, double timeout_s) {
            const auto until = usb::Clock::now() + seconds(timeout_s);
            return unlocked_with(self, [&] { return self.wait(until); });
          },
          py::arg("timeout_s"), "Until a transfer is done; whether one was. At once when none is pending.");
}

}  // namespace subgraft
