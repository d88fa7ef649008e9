// The part of the engine that moves runs forward: what ended is looked at, and what may start is started.
#include <algorithm>

#include "core/errors.h"
#include "edgetpu/engine.h"

namespace subgraft::edgetpu {
namespace {

constexpr std::uint32_t kFatal = 1;  // libedgetpu driver/usb/usb_driver.cc, the word of an interrupt

bool has_begun(const Lane& lane) { return lane.has_begun(); }

std::string doing(const Lane* lane) { return lane ? ", in " + lane->where() : ", while no run was in flight"; }

}  // namespace

Lane* Engine::oldest(bool (*is_it)(const Lane&)) {
  for (std::size_t i = 0; i < count_; ++i)
    if (is_it(active(i).lane)) return &active(i).lane;
  return nullptr;
}

void Engine::work() {
  settle();
  do {
    start_runs();
    send();
  } while (deliver() || finish_runs());
}

void Engine::settle() {
  while (const auto word = endpoints_.interrupt()) settle_interrupt(*word);
  while (Flight* out = endpoints_.finished_out()) settle_out(*out);
  while (const auto tag = endpoints_.event()) settle_event(*tag);
  while (Flight* read = endpoints_.finished_read()) settle_read(*read);
}

void Engine::settle_interrupt(std::uint32_t word) {
  interrupts_ |= word & ~kFatal;
  if (!(word & kFatal)) return;
  throw Error(Kind::fatal, "endpoint 0x83: the device reports a fatal error" + doing(oldest(has_begun)));
}

void Engine::settle_out(Flight& out) {
  out.lane->acknowledge(out);
  const usb::Transfer& transfer = out.transfer;
  if (transfer.status != usb::Status::completed) throw usb::Error(transfer.status, describe(out) + doing(out.lane));
  if (transfer.actual != transfer.size)
    throw Error(Kind::bytes, concat("endpoint 0x01: the device took ", transfer.actual, " of ", transfer.size,
                                    " bytes of a transfer", doing(out.lane)));
}

void Engine::settle_event(std::uint8_t tag) {
  Lane* lane = oldest([](const Lane& lane) { return lane.has_begun() && !lane.has_events(); });
  if (!lane)
    throw Error(Kind::event, concat("endpoint 0x82: an event of tag ", int{tag}, " that no run waits for",
                                    doing(oldest(has_begun))));
  lane->take_event(tag);
}

void Engine::settle_read(Flight& read) {
  const usb::Transfer& transfer = read.transfer;
  Lane* lane = oldest([](const Lane& lane) { return lane.has_begun() && !lane.has_received(); });
  const bool is_called_back = read.is_unwanted && transfer.status == usb::Status::cancelled;
  if (transfer.status != usb::Status::completed && !is_called_back)
    throw usb::Error(transfer.status, describe(read) + doing(lane));
  if (transfer.actual == 0) return;
  if (!lane)
    throw Error(Kind::bytes,
                concat("endpoint 0x81: ", transfer.actual, " bytes that no run waits for", doing(oldest(has_begun))));
  const std::size_t rest = lane->take(read);
  if (rest > 0)
    throw Error(Kind::bytes, concat("endpoint 0x81: ", rest, " bytes more than all outputs have", doing(lane)));
  // A device that sent two outputs in one piece leaves the second one's read behind.
  if (lane->has_received()) endpoints_.cancel_reads();
}

void Engine::start_runs() {
  while (count_ < kLanes && next_started_ < next_ticket_) {
    Request* found = find(next_started_);
    if (!found || found->started == found->runs) {
      ++next_started_;
      continue;
    }
    Request& request = *found;
    if (count_ == 0) first_ = 0;
    Active& next = active(count_);
    const auto& buffers = request.loaded->buffers[static_cast<std::size_t>(&next - lanes_.data())];
    next.request = &request;
    next.lane.start(*request.script, request.loaded->constants, *buffers, request.inputs, request.outputs,
                    request.started++);
    ++count_;
  }
}

void Engine::send() {
  for (std::size_t i = 0; i < count_; ++i)
    if (!active(i).lane.advance(endpoints_)) return;
}

bool Engine::deliver() {
  for (std::size_t i = 0; i < count_; ++i)
    if (active(i).lane.deliver()) return true;
  return false;
}

bool Engine::finish_runs() {
  bool is_one_finished = false;
  while (count_ > 0 && active(0).lane.is_done()) {
    Request& request = *active(0).request;
    if (++request.finished == request.runs) wake();
    first_ = (first_ + 1) % kLanes;
    --count_;
    is_one_finished = true;
  }
  return is_one_finished;
}

}  // namespace subgraft::edgetpu
