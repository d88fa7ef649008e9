#include "edgetpu/endpoints.h"

#include <cstdio>

#include "core/errors.h"
#include "edgetpu/staging.h"

namespace subgraft::edgetpu {
namespace {

constexpr std::size_t kEventTagAt = 12;

}  // namespace

const char* name_of(Kind kind) {
  constexpr std::array names = {"fatal", "bytes", "event", "timeout"};
  return names[static_cast<std::size_t>(kind)];
}

std::string describe(const Flight& flight) {
  char endpoint[32];
  std::snprintf(endpoint, sizeof endpoint, "endpoint 0x%02x", flight.transfer.endpoint);
  return concat(endpoint, ": ", usb::name_of(flight.transfer.status));
}

Endpoints::Endpoints(usb::Device& device, std::mutex& mutex, int bulk_outs)
    : device_(device), mutex_(mutex), outs_(static_cast<std::size_t>(bulk_outs)) {
  for (Flight& out : outs_) out.transfer.endpoint = kBulkOut;
  event_.transfer.endpoint = kEventIn;
  event_.transfer.buffer = event_bytes_.data();
  event_.transfer.size = event_bytes_.size();
  interrupt_.transfer.endpoint = kInterruptIn;
  interrupt_.transfer.is_interrupt = true;
  interrupt_.transfer.buffer = interrupt_bytes_.data();
  interrupt_.transfer.size = interrupt_bytes_.size();
}

void Endpoints::on_done(usb::Transfer&, void* context) {
  auto& flight = *static_cast<Flight*>(context);
  Endpoints& endpoints = *flight.endpoints;
  const std::lock_guard lock(endpoints.mutex_);
  flight.is_done = true;
  --endpoints.pending_;
}

void Endpoints::start(Flight& flight) {
  flight.endpoints = this;
  flight.transfer.done = on_done;
  flight.transfer.context = &flight;
  flight.is_done = flight.is_unwanted = false;
  device_.submit(flight.transfer);
  flight.is_pending = true;
  ++pending_;
}

void Endpoints::listen() {
  for (Flight* flight : {&event_, &interrupt_})
    if (!flight->is_pending) start(*flight);
}

std::optional<std::uint8_t> Endpoints::event() {
  if (!event_.is_done) return std::nullopt;
  event_.is_pending = event_.is_done = false;
  if (event_.transfer.status != usb::Status::completed)
    throw usb::Error(event_.transfer.status, concat(describe(event_), ", waiting for an event"));
  if (event_.transfer.actual != kEventBytes)
    throw Error(Kind::event,
                concat("endpoint 0x82: an event of ", event_.transfer.actual, " bytes, not ", kEventBytes));
  const auto tag = static_cast<std::uint8_t>(static_cast<std::uint8_t>(event_bytes_[kEventTagAt]) & kTagMask);
  start(event_);
  return tag;
}

std::optional<std::uint32_t> Endpoints::interrupt() {
  if (!interrupt_.is_done) return std::nullopt;
  interrupt_.is_pending = interrupt_.is_done = false;
  if (interrupt_.transfer.status != usb::Status::completed)
    throw usb::Error(interrupt_.transfer.status, concat(describe(interrupt_), ", waiting for an interrupt"));
  if (interrupt_.transfer.actual != kInterruptBytes)
    throw Error(Kind::event,
                concat("endpoint 0x83: an interrupt of ", interrupt_.transfer.actual, " bytes, not ", kInterruptBytes));
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < kInterruptBytes; ++i) word |= static_cast<std::uint32_t>(interrupt_bytes_[i]) << (8 * i);
  start(interrupt_);
  return word;
}

Flight* Endpoints::idle_out() {
  for (Flight& out : outs_)
    if (!out.is_pending) return &out;
  return nullptr;
}

void Endpoints::send(Flight& out, const std::byte* data, std::size_t size) {
  out.transfer.buffer = const_cast<std::byte*>(data);  // the device only reads what goes OUT
  out.transfer.size = size;
  start(out);
}

Flight* Endpoints::finished_out() {
  for (Flight& out : outs_) {
    if (!out.is_done) continue;
    out.is_pending = out.is_done = false;
    return &out;
  }
  return nullptr;
}

void Endpoints::post(Flight& read, std::size_t size) {
  read.transfer.endpoint = kBulkIn;
  read.transfer.size = size;
  read.next = nullptr;
  start(read);
  (first_read_ == nullptr ? first_read_ : last_read_->next) = &read;
  last_read_ = &read;
}

Flight* Endpoints::finished_read() {
  Flight* read = first_read_;
  if (read == nullptr || !read->is_done) return nullptr;
  first_read_ = read->next;
  read->is_pending = read->is_done = false;
  return read;
}

void Endpoints::cancel(Flight& flight) {
  if (!flight.is_pending || flight.is_done || flight.is_unwanted) return;
  flight.is_unwanted = true;
  try {
    device_.cancel(flight.transfer);
  } catch (const usb::Error&) {
    // It ended meanwhile, or the device is gone: either way wait() tells its end.
  }
}

void Endpoints::cancel_reads() {
  for (Flight* read = first_read_; read != nullptr; read = read->next) cancel(*read);
}

void Endpoints::cancel_all() {
  cancel_reads();
  for (Flight& out : outs_) cancel(out);
  cancel(event_);
  cancel(interrupt_);
}

void Endpoints::forget_cancelled() {
  while (finished_read() != nullptr) {
  }
  while (finished_out() != nullptr) {
  }
  for (Flight* flight : {&event_, &interrupt_})
    if (flight->is_done) flight->is_pending = flight->is_done = false;
}

}  // namespace subgraft::edgetpu
