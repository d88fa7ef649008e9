#include "usb/device.h"

#include <cstdio>
#include <cstdlib>
#include <new>

namespace subgraft::usb {
namespace {

constexpr std::size_t kAlignment = 4096;  // a page: what host controllers and memcpy both like

constexpr const char* kNames[] = {
    "COMPLETED", "TIMEOUT", "CANCELLED", "STALLED",   "OVERFLOW",      "NO_DEVICE", "IO",
    "NO_MEM",    "ACCESS",  "BUSY",      "NOT_FOUND", "NOT_SUPPORTED", "INVALID",
};
static_assert(std::size(kNames) == static_cast<std::size_t>(Status::invalid) + 1);

}  // namespace

const char* name_of(Status status) { return kNames[static_cast<std::size_t>(status)]; }

std::optional<Status> status_named(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kNames); ++i)
    if (name == kNames[i]) return static_cast<Status>(i);
  return std::nullopt;
}

std::string describe_control(std::uint8_t request_type, std::uint8_t request, std::uint16_t value, std::uint16_t index,
                             std::size_t size) {
  char text[80];
  std::snprintf(text, sizeof text, "control transfer %02x %02x value %04x index %04x length %zu", request_type, request,
                value, index, size);
  return text;
}

std::shared_ptr<std::byte> Device::allocate(std::size_t size) {
  const std::size_t rounded = (size + kAlignment - 1) / kAlignment * kAlignment;
  auto* memory = rounded >= size ? static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded)) : nullptr;
  if (memory == nullptr && size != 0) throw std::bad_alloc();
  return {memory, std::free};
}

}  // namespace subgraft::usb
