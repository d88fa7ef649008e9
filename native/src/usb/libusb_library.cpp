#include "usb/libusb_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

#include "core/errors.h"

namespace subgraft::usb::libusb {
namespace {

constexpr const char* kVariable = "SUBGRAFT_LIBUSB";
#ifdef __APPLE__
constexpr const char* kUsualNames[] = {"libusb-1.0.0.dylib", "/opt/homebrew/lib/libusb-1.0.0.dylib",
                                       "/usr/local/lib/libusb-1.0.0.dylib"};
constexpr const char* kCure = "install it (\"brew install libusb\")";
#else
constexpr const char* kUsualNames[] = {"libusb-1.0.so.0", "libusb-1.0.so"};
constexpr const char* kCure =
    "install it (Debian, Ubuntu: \"apt install libusb-1.0-0\"; Fedora: \"dnf install libusb1\")";
#endif

struct NamedError {
  int code;
  const char* name;
  Status status;
};

constexpr NamedError kErrors[] = {
    {-1, "LIBUSB_ERROR_IO", Status::io},
    {-2, "LIBUSB_ERROR_INVALID_PARAM", Status::invalid},
    {-3, "LIBUSB_ERROR_ACCESS", Status::access},
    {-4, "LIBUSB_ERROR_NO_DEVICE", Status::no_device},
    {kErrorNotFound, "LIBUSB_ERROR_NOT_FOUND", Status::not_found},
    {-6, "LIBUSB_ERROR_BUSY", Status::busy},
    {-7, "LIBUSB_ERROR_TIMEOUT", Status::timed_out},
    {-8, "LIBUSB_ERROR_OVERFLOW", Status::overflow},
    {-9, "LIBUSB_ERROR_PIPE", Status::stalled},
    {kErrorInterrupted, "LIBUSB_ERROR_INTERRUPTED", Status::io},
    {-11, "LIBUSB_ERROR_NO_MEM", Status::no_memory},
    {-12, "LIBUSB_ERROR_NOT_SUPPORTED", Status::not_supported},
    {-99, "LIBUSB_ERROR_OTHER", Status::io},
};

template <typename Function>
void find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
}

template <typename Function>
void require(void* handle, const char* name, Function& function, std::string& missing) {
  find(handle, name, function);
  if (function == nullptr) missing += concat(missing.empty() ? "" : ", ", name);
}

Library functions_of(void* handle, const std::string& name) {
  Library library{};
  std::string missing;
  require(handle, "libusb_init", library.init, missing);
  require(handle, "libusb_exit", library.exit, missing);
  require(handle, "libusb_get_device_list", library.get_device_list, missing);
  require(handle, "libusb_free_device_list", library.free_device_list, missing);
  require(handle, "libusb_get_device_descriptor", library.get_device_descriptor, missing);
  require(handle, "libusb_get_bus_number", library.get_bus_number, missing);
  require(handle, "libusb_get_device_address", library.get_device_address, missing);
  require(handle, "libusb_get_port_numbers", library.get_port_numbers, missing);
  require(handle, "libusb_get_device_speed", library.get_device_speed, missing);
  require(handle, "libusb_open", library.open, missing);
  require(handle, "libusb_close", library.close, missing);
  require(handle, "libusb_claim_interface", library.claim_interface, missing);
  require(handle, "libusb_release_interface", library.release_interface, missing);
  require(handle, "libusb_clear_halt", library.clear_halt, missing);
  require(handle, "libusb_reset_device", library.reset_device, missing);
  require(handle, "libusb_alloc_transfer", library.alloc_transfer, missing);
  require(handle, "libusb_free_transfer", library.free_transfer, missing);
  require(handle, "libusb_submit_transfer", library.submit_transfer, missing);
  require(handle, "libusb_cancel_transfer", library.cancel_transfer, missing);
  require(handle, "libusb_handle_events_timeout_completed", library.handle_events_timeout_completed, missing);
  find(handle, "libusb_interrupt_event_handler", library.interrupt_event_handler);
  find(handle, "libusb_dev_mem_alloc", library.dev_mem_alloc);
  if (!missing.empty())
    throw Error(Status::not_supported,
                concat(name, " is no libusb-1.0 of version 1.0.16 or later: it lacks ", missing));
  return library;
}

}  // namespace

std::shared_ptr<const Library> load(const std::string& path) {
  const char* named = std::getenv(kVariable);
  std::vector<std::string> names(std::begin(kUsualNames), std::end(kUsualNames));
  if (!path.empty())
    names = {path};
  else if (named != nullptr && *named != 0)
    names = {named};
  std::string tried;
  for (const std::string& name : names) {
    if (void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL))
      return std::make_shared<const Library>(functions_of(handle, name));
    tried += concat(tried.empty() ? "" : "; ", name, " (", dlerror(), ")");
  }
  throw Error(Status::not_found,
              concat("libusb-1.0 cannot be loaded, tried ", tried, "; ", kCure, " or name the library in ", kVariable));
}

void check(int code, const std::string& doing) {
  if (code >= 0) return;
  for (const NamedError& error : kErrors)
    if (error.code == code) throw Error(error.status, concat(doing, ": ", error.name));
  throw Error(Status::io, concat(doing, ": libusb error ", code));
}

Status status_of(transfer_status status) {
  switch (status) {
    case kCompleted:
      return Status::completed;
    case kTimedOut:
      return Status::timed_out;
    case kCancelled:
      return Status::cancelled;
    case kStall:
      return Status::stalled;
    case kNoDevice:
      return Status::no_device;
    case kOverflow:
      return Status::overflow;
    case kError:
      break;
  }
  return Status::io;
}

}  // namespace subgraft::usb::libusb
