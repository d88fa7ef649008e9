#include "edgetpu/lane.h"

#include <algorithm>
#include <cstring>

#include "core/errors.h"

namespace subgraft::edgetpu {
namespace {

constexpr std::size_t kMaxReads = 32;
constexpr std::size_t kLongReadBytes = std::size_t{64} << 10;  // where one read per receive would be too much

std::size_t round_up(std::size_t size, std::size_t unit) { return (size + unit - 1) / unit * unit; }

std::unique_ptr<std::byte[]> allocate(std::size_t size) {
  return std::unique_ptr<std::byte[]>(new std::byte[size]);  // not touched: what is not needed costs nothing
}

}  // namespace

Constants load_constants(const Script& script, usb::Device& device) {
  Constants constants(script.steps().size());
  for (std::size_t i = 0; i < constants.size(); ++i) {
    const std::span<const std::byte> message = script.constant(i);
    if (message.empty() || script.steps()[i].source != Source::instructions) continue;
    constants[i] = device.allocate(message.size());
    std::memcpy(constants[i].get(), message.data(), message.size());
  }
  return constants;
}

Buffers::Buffers(const Script& script, usb::Device& device, const TransferSizes& sizes)
    : messages(script.steps().size()),
      received(allocate(script.received_bytes())),
      scratch(allocate(script.scratch_bytes())),
      sources(script.outputs().size()) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Step& step = script.steps()[i];
    if (step.kind != Step::Kind::send || !script.constant(i).empty()) continue;
    messages[i] = device.allocate(kHeaderBytes + step.size);
    write_header(messages[i].get(), step.tag, step.size);
    std::memset(messages[i].get() + kHeaderBytes, 0, step.size);
  }
  plan_reads(script, sizes);
}

void Buffers::plan_reads(const Script& script, const TransferSizes& sizes) {
  const auto receives = script.receives();
  std::size_t all = 0, chunks = 0;
  for (const Script::Receive& receive : receives) {
    all += round_up(receive.size, sizes.packet_bytes);
    chunks += round_up(receive.size, sizes.chunk_bytes) / sizes.chunk_bytes;
  }
  // Where the device ends every chunk with a short packet, a read ends there too.
  const bool are_chunks_short = sizes.chunk_bytes % sizes.packet_bytes != 0;
  reads_are_whole = !are_chunks_short && receives.size() <= kMaxReads && all <= sizes.max_posted_bytes;
  read_yield = are_chunks_short ? sizes.chunk_bytes : 0;
  const std::size_t long_read = std::min(kLongReadBytes, round_up(sizes.max_posted_bytes, sizes.packet_bytes));
  const std::size_t most = std::max<std::size_t>(1, sizes.max_posted_bytes / long_read);
  reads = std::vector<Flight>(reads_are_whole ? receives.size() : std::min({kMaxReads, chunks, most}));
  std::size_t total = 0;
  for (std::size_t i = 0; i < reads.size(); ++i) {
    const std::size_t wanted = reads_are_whole ? receives[i].size : are_chunks_short ? sizes.chunk_bytes : long_read;
    reads[i].capacity = round_up(wanted, sizes.packet_bytes);
    reads[i].home = this;
    total += round_up(reads[i].capacity, Script::kAlignment);
  }
  landing = allocate(total);
  std::byte* at = landing.get();
  for (Flight& read : reads) {
    read.transfer.buffer = at;
    at += round_up(read.capacity, Script::kAlignment);
  }
}

bool Buffers::is_in_flight() const {
  return std::any_of(reads.begin(), reads.end(), [](const Flight& read) { return read.is_pending; });
}

Flight* Buffers::next_read() {
  for (std::size_t i = 0; i < reads.size(); ++i) {
    Flight& read = reads[turn_];
    turn_ = (turn_ + 1) % reads.size();
    if (!read.is_pending && !read.is_pinned) return &read;
  }
  return nullptr;
}

void Buffers::reset(const Script& script) {
  turn_ = 0;
  if (script.clears_scratch()) std::memset(scratch.get(), 0, script.scratch_bytes());
  for (Flight& read : reads) read.is_pinned = false;
  for (std::size_t i = 0; i < sources.size(); ++i) sources[i] = received.get() + script.outputs()[i].place;
}

void Lane::start(const Script& script, const Constants& constants, Buffers& buffers,
                 std::span<const std::byte* const> inputs, std::span<std::byte* const> outputs, std::size_t run) {
  script_ = &script;
  constants_ = &constants;
  buffers_ = &buffers;
  outputs_ = outputs;
  run_ = run;
  at_ = {};
  buffers.reset(script);
  stage(inputs);
}

void Lane::stage(std::span<const std::byte* const> inputs) {
  const auto steps = script_->steps();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    if (step.kind != Step::Kind::send || step.source != Source::input) continue;
    const Input& input = script_->inputs()[step.index];
    if (step.offset >= input.tensor_bytes) continue;
    const std::byte* tensor = inputs[step.index] + run_ * input.tensor_bytes;
    copy_flipped(buffers_->messages[i].get() + kHeaderBytes, tensor + step.offset,
                 std::min(step.size, input.tensor_bytes - step.offset), input.flip);
  }
}

bool Lane::advance(Endpoints& endpoints) {
  at_.has_begun = true;
  post_reads(endpoints);
  const auto steps = script_->steps();
  while (at_.step < steps.size()) {
    if (!advance_step(endpoints, steps[at_.step])) return false;
    ++at_.step;
    at_.sent = 0;
  }
  return has_received();
}

bool Lane::advance_step(Endpoints& endpoints, const Step& step) {
  switch (step.kind) {
    case Step::Kind::receive:
      ++at_.due_receives;
      return true;
    case Step::Kind::interrupt:
      ++at_.due_events;
      return true;
    case Step::Kind::fence:
      return at_.outs == 0 && at_.received >= at_.due_receives && at_.events >= at_.due_events;
    case Step::Kind::send:
      // Bulk-out could hog the device's data path and keep bulk-in from ending (libedgetpu driver/usb/usb_driver.cc).
      return at_.received >= at_.due_receives && send(endpoints, step);
  }
  return true;
}

bool Lane::send(Endpoints& endpoints, const Step& step) {
  std::byte* own = buffers_->messages[at_.step].get();
  if (at_.sent == 0 && step.source == Source::scratch)
    std::memcpy(own + kHeaderBytes, buffers_->scratch.get() + step.offset, step.size);
  const std::byte* constant = (*constants_)[at_.step].get();
  const std::byte* message = own ? own : constant ? constant : script_->constant(at_.step).data();
  const std::size_t total = message_bytes(at_.step);
  while (at_.sent < total) {
    Flight* out = endpoints.idle_out();
    if (!out) return false;
    std::size_t size = std::min(sizes_.max_bulk_out_bytes, total - at_.sent);
    if (sizes_.header_apart && at_.sent < kHeaderBytes) size = std::min(size, kHeaderBytes - at_.sent);
    out->lane = this;
    out->step = at_.step;
    out->offset = at_.sent;
    endpoints.send(*out, message + at_.sent, size);
    ++at_.outs;
    at_.sent += size;
  }
  return true;
}

void Lane::post_reads(Endpoints& endpoints) {
  const auto receives = script_->receives();
  if (has_received()) return;
  const bool is_behind = std::pair(at_.posted, at_.posted_filled) < std::pair(at_.received, at_.filled);
  if (is_behind || !endpoints.has_reads()) {
    at_.posted = at_.received;
    at_.posted_filled = at_.filled;
  }
  while (at_.posted < receives.size()) {
    Flight* read = buffers_->next_read();
    if (!read) return;
    // Not a byte longer than the device needs to end it: it sends no packet of length zero.
    const std::size_t rest = receives[at_.posted].size - at_.posted_filled;
    const std::size_t size = std::min(read->capacity, round_up(rest, sizes_.packet_bytes));
    endpoints.post(*read, size);
    at_.posted_filled += std::min(buffers_->read_yield != 0 ? buffers_->read_yield : size, rest);
    if (at_.posted_filled < receives[at_.posted].size) continue;
    ++at_.posted;
    at_.posted_filled = 0;
  }
}

void Lane::acknowledge(const Flight& out) {
  --at_.outs;
  at_.taken_step = out.step;
  at_.taken = out.offset + (out.transfer.status == usb::Status::completed ? out.transfer.actual : 0);
}

std::size_t Lane::take(Flight& read) {
  const std::byte* data = read.transfer.buffer;
  std::size_t rest = std::min(read.transfer.actual, read.transfer.size);
  const auto receives = script_->receives();
  while (rest > 0 && at_.received < receives.size()) {
    const Script::Receive& receive = receives[at_.received];
    const std::size_t size = std::min(rest, receive.size - at_.filled);
    const bool stays = buffers_->reads_are_whole && read.home == buffers_ && receive.is_whole && size == receive.size;
    if (stays) {
      buffers_->sources[receive.index] = data;
      read.is_pinned = true;
    } else if (receive.source == Source::scratch) {
      std::memcpy(buffers_->scratch.get() + receive.offset + at_.filled, data, size);
    } else {
      const std::size_t place = script_->outputs()[receive.index].place + receive.offset + at_.filled;
      std::memcpy(buffers_->received.get() + place, data, size);
    }
    data += size;
    rest -= size;
    at_.filled += size;
    if (at_.filled < receive.size) break;
    ++at_.received;
    at_.filled = 0;
  }
  return rest;
}

void Lane::take_event(std::uint8_t tag) {
  const auto interrupts = script_->interrupts();
  const int wanted = static_cast<int>(Tag::interrupt0) + interrupts[at_.events];
  if (tag != wanted)
    throw Error(Kind::event,
                concat("endpoint 0x82: an event of tag ", int{tag}, " where tag ", wanted, " is due; ", where()));
  ++at_.events;
}

bool Lane::deliver() {
  while (at_.delivered < at_.received) {
    const Script::Receive& receive = script_->receives()[at_.delivered++];
    if (!receive.is_last) continue;
    const Script::TensorOut& output = script_->outputs()[receive.index];
    output.relayout(buffers_->sources[receive.index], outputs_[receive.index] + run_ * output.tensor_bytes);
    return true;
  }
  return false;
}

bool Lane::is_done() const {
  return at_.step == script_->steps().size() && at_.outs == 0 && has_received() && at_.delivered == at_.received &&
         has_events();
}

std::string Lane::in_step(std::size_t step) const {
  const auto steps = script_->steps();
  return concat("step ", step + 1, " of ", steps.size(), " (", describe(steps[step]), "): ");
}

std::string Lane::where() const {
  const auto steps = script_->steps();
  if (at_.outs > 0) {
    std::size_t step = at_.taken_step, taken = at_.taken;
    if (steps[step].kind != Step::Kind::send || taken == message_bytes(step)) {
      const auto is_send = [](const Step& other) { return other.kind == Step::Kind::send; };
      const auto next = std::find_if(steps.begin() + static_cast<std::ptrdiff_t>(step) + 1, steps.end(), is_send);
      if (next == steps.end()) return concat(in_step(step), "endpoint 0x01 took its end and not all before it");
      step = static_cast<std::size_t>(next - steps.begin());
      taken = 0;
    }
    return concat(in_step(step), "endpoint 0x01 took ", taken, " of ", message_bytes(step), " bytes");
  }
  if (!has_received()) {
    const Script::Receive& receive = script_->receives()[at_.received];
    return concat(in_step(receive.step), "endpoint 0x81 gave ", at_.filled, " of ", receive.size, " bytes");
  }
  std::size_t left = at_.events;
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (steps[i].kind == Step::Kind::interrupt && left-- == 0)
      return concat(in_step(i), "all outputs are here, but no event on endpoint 0x82");
  return concat("all ", steps.size(), " steps are done");
}

}  // namespace subgraft::edgetpu
